// Package runs turns the operations of the extension into custom resources and
// reports back what becomes of them.
//
//	operation -> grant Secret + run object -> controller works
//	    finish <- final status <- progress <-+   (spec.cancel on request)
//
// Names derive from the operation's id, so an operation that is delivered
// again finds the run that is under way. Run and Secret are deleted once the
// service has the result; what a crash leaves behind Sweep removes later.
package runs
