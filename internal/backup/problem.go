package backup

import (
	"errors"
	"fmt"
)

// Problem is one error for people and programs: a stable code, what failed on
// what, and what to do about it. It never holds a secret. It is an error, so
// that rules can return it and doors can turn it into their error document.
type Problem struct {
	Code    Code     `json:"code"`
	Message string   `json:"message"`
	Target  string   `json:"target,omitempty"` // the property or resource it is about
	Actions []string `json:"actions,omitempty"`
	// Retryable says whether the same request may succeed later unchanged.
	Retryable bool `json:"retryable,omitempty"`
}

// Error returns the code and the message.
func (p *Problem) Error() string { return string(p.Code) + ": " + p.Message }

// NewProblem returns a problem with the recommended actions of its code.
func NewProblem(code Code, target, format string, args ...any) *Problem {
	facts := codes[code]
	return &Problem{
		Code:      code,
		Message:   fmt.Sprintf(format, args...),
		Target:    target,
		Actions:   facts.actions,
		Retryable: facts.retryable,
	}
}

// Invalid returns a BMSUserErrorInvalidInput problem about one property.
func Invalid(target, format string, args ...any) *Problem {
	return NewProblem(CodeInvalidInput, target, format, args...)
}

// AsProblem finds the problem in err's chain.
func AsProblem(err error) (*Problem, bool) {
	var p *Problem
	ok := errors.As(err, &p)
	return p, ok
}

// Warning is something that was not protected or not restored, with the reason.
type Warning struct {
	Resource string  `json:"resource"`
	Problem  Problem `json:"problem"`
}

// advise replaces what is recommended by something more to the point.
func (p *Problem) advise(actions ...string) *Problem {
	p.Actions = actions
	return p
}
