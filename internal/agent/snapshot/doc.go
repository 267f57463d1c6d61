// Package snapshot takes CSI snapshots of the claims of a selection, and
// removes them again.
//
//	Plan      which claims, by which driver and class; why not the others (pure)
//	Cut       snapshot objects in the claim's namespace, until the driver gave a
//	          handle: this is the moment the data stands for. The content is set
//	          to Retain at once, so that deleting the namespace takes no data
//	AwaitReady until the snapshot can be restored from
//	Clean     removes the objects of one operation; the snapshots themselves stay
//	          when a recovery point holds their handles, and go otherwise
//	Remove    deletes snapshots by handle, when a recovery point expires
//
// A recovery point keeps handles and nothing in the cluster: no helper object
// outlives its operation. Names derive from the operation and the claim, so that
// a repeated operation finds what it made before.
package snapshot
