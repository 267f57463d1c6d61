// Package backup is the language of the product: vaults, policies, instances,
// jobs, recovery points and the resources around them, with the rules that
// hold for them. It does no I/O, reads no clock and imports the standard
// library only; what it decides it returns as a value with its reason.
//
// Lists keep the difference between absent (nil) and empty, and texts such as
// intervals and durations are kept as they were written, because what a client
// sent must come back as sent.
package backup
