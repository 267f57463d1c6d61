package arm

import (
	"fmt"
	"net/http"
	"strings"

	"holdfast.dev/holdfast/internal/access"
	"holdfast.dev/holdfast/internal/operations"
	"holdfast.dev/holdfast/internal/resourceid"
)

// CodeInvalidInput is the code of everything malformed or wrong in a body.
const CodeInvalidInput = "BMSUserErrorInvalidInput"

// Error is an answer other than success; it becomes the error document.
type Error struct {
	Status  int    // HTTP status
	Code    string // stable, for programs
	Message string // for people
	Target  string // the property or resource it is about
	// Actions tell the caller what to do about it.
	Actions   []string
	Retryable bool // the same request may succeed later
	UserError bool // the caller can repair it
	Header    http.Header
}

// Error returns code and message.
func (e *Error) Error() string { return e.Code + ": " + e.Message }

// Problem turns the error into what a failed operation records.
func (e *Error) Problem() operations.Problem {
	return operations.Problem{Code: e.Code, Message: e.Message, Target: e.Target, Actions: e.Actions,
		Retryable: e.Retryable, UserError: e.UserError, Status: e.Status}
}

// FromProblem is the error a failed operation's result address answers with.
func FromProblem(p operations.Problem) *Error {
	status := p.Status
	if status < http.StatusBadRequest {
		status = http.StatusInternalServerError
		if p.UserError {
			status = http.StatusBadRequest
		}
	}
	return &Error{Status: status, Code: p.Code, Message: p.Message, Target: p.Target, Actions: p.Actions,
		Retryable: p.Retryable, UserError: p.UserError}
}

// Invalid refuses a body: target is the property that is wrong, such as
// "properties.policyInfo.policyId".
func Invalid(target, format string, args ...any) *Error {
	return Refused(http.StatusBadRequest, CodeInvalidInput, target, format, args...)
}

// Refused is a user's error with a code of its own.
func Refused(status int, code, target, format string, args ...any) *Error {
	return &Error{Status: status, Code: code, Target: target, UserError: true,
		Message: fmt.Sprintf(format, args...), Actions: []string{"Check the required inputs and try again."}}
}

// Conflict says that the state of things forbids the request now.
func Conflict(code, format string, args ...any) *Error {
	return &Error{Status: http.StatusConflict, Code: code, Message: fmt.Sprintf(format, args...), UserError: true}
}

// NotFound says that the resource, group or subscription does not exist.
func NotFound(id resourceid.ID) *Error {
	e := &Error{Status: http.StatusNotFound, Code: "ResourceNotFound", Actions: []string{
		"Check the name, the resource group and the subscription: a list of the resources there shows what exists."}}
	group := id.ResourceGroup()
	switch {
	case id.HasType(resourceid.TypeSubscription):
		e.Code = "SubscriptionNotFound"
		e.Message = fmt.Sprintf("The subscription '%s' could not be found.", id.Name())
	case id.HasType(resourceid.TypeResourceGroup):
		e.Code = "ResourceGroupNotFound"
		e.Message = fmt.Sprintf("Resource group '%s' could not be found.", group)
	case group != "":
		e.Message = fmt.Sprintf("The Resource '%s' under resource group '%s' was not found.", typedName(id), group)
	default:
		e.Message = fmt.Sprintf("The Resource '%s' was not found.", typedName(id))
	}
	return e
}

// ParentNotFound says that a nested resource cannot be made or read because
// the one around it does not exist.
func ParentNotFound(id resourceid.ID) *Error {
	return &Error{Status: http.StatusNotFound, Code: "ParentResourceNotFound",
		Message: fmt.Sprintf("Can not perform requested operation on nested resource. Parent resource '%s' not found.", id.Parent().Name()),
		Actions: []string{"Create that resource first, or check its name and its resource group."}}
}

// typedName is what follows the last "providers/": "Microsoft.Web/sites/a".
func typedName(id resourceid.ID) string {
	text := id.String()
	if at := strings.LastIndex(text, "/providers/"); at >= 0 {
		return text[at+len("/providers/"):]
	}
	return text
}

// Forbidden says that the principal may not do the action, and why.
func Forbidden(p access.Principal, action string, scope resourceid.ID, reason string) *Error {
	return &Error{Status: http.StatusForbidden, Code: "AuthorizationFailed",
		Message: fmt.Sprintf("The client '%s' with object id '%s' does not have authorization to perform action '%s' over scope '%s' or the scope is invalid. If access was recently granted, please refresh your credentials. (%s)",
			p.Name, p.ObjectID, action, scope, reason)}
}

// LinkedForbidden says that the principal may do what he asked but not what it
// needs elsewhere.
func LinkedForbidden(p access.Principal, action string, scope resourceid.ID, reason string) *Error {
	return &Error{Status: http.StatusForbidden, Code: "LinkedAuthorizationFailed",
		Message: fmt.Sprintf("The client '%s' with object id '%s' does not have permission to perform action '%s' on the linked scope '%s' or the linked scope is invalid. (%s)",
			p.Name, p.ObjectID, action, scope, reason)}
}

// PreconditionFailed says that If-Match or If-None-Match does not hold.
func PreconditionFailed(id resourceid.ID) *Error {
	return &Error{Status: http.StatusPreconditionFailed, Code: "PreconditionFailed",
		Message: fmt.Sprintf("The resource '%s' was changed: the precondition of the request does not hold.", id)}
}

func badContent(format string, args ...any) *Error {
	return &Error{Status: http.StatusBadRequest, Code: "InvalidRequestContent", Message: fmt.Sprintf(format, args...)}
}
