// Package session is the cluster side of the agent protocol: it enrols once
// with a one-time token, keeps its key and certificate in a Store, renews the
// certificate before it ends, and works through operations that the service
// hands out.
//
//	token --enrol--> identity (Store) --mTLS--> claim -> handle -> finish
//	                    ^                          |  extend every quarter of the lease
//	                    +---- renew by rotation    +- lease lost: stop, the service offers it again
//
// It always calls out and never listens. It may be killed at any moment: the
// key is stored before it is used, an operation that was not finished is
// offered again under the same id, and handlers find their earlier traces by
// names that derive from that id.
package session
