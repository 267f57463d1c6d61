// Package collect reads the objects of a selection from an API server and
// streams them, byte for byte as the server sent them, into an archive.
//
//	discover kinds ──> list pages, some kinds at a time ──> one ordered stream
//	     │                        │                              │
//	 aggregated APIs,       410 Gone, 403,               derived objects left out,
//	 broken groups          retries                      duplicates left out
//
// Memory is bounded: a few pages of each kind under way, and 16 bytes for each
// object seen. What cannot be read is named in a warning, never dropped silently.
package collect
