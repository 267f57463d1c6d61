package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
)

// Error is an error document of the service.
type Error struct {
	Status  int    // HTTP status; 0 for the error of a finished operation
	Code    string // stable, such as BMSUserErrorInvalidInput
	Message string
	Target  string
	Actions []string // what to do about it
}

// Error gives code and message.
func (e *Error) Error() string {
	if e.Code == "" {
		return e.Message
	}
	return fmt.Sprintf("%s: %s", e.Code, e.Message)
}

// IsNotFound reports whether err says that a resource does not exist.
func IsNotFound(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Status == http.StatusNotFound
}

// document is the wire shape of an ARM error.
type document struct {
	Error *body `json:"error"`
}

type body struct {
	Code           string     `json:"code"`
	Message        string     `json:"message"`
	Target         string     `json:"target"`
	Details        []body     `json:"details"`
	AdditionalInfo []userInfo `json:"additionalInfo"`
}

type userInfo struct {
	Info struct {
		RecommendedAction []string `json:"recommendedAction"`
	} `json:"info"`
}

func parseError(status int, data []byte) *Error {
	var doc document
	if json.Unmarshal(data, &doc) == nil && doc.Error != nil {
		e := doc.Error.toError()
		e.Status = status
		return e
	}
	// OAuth endpoints answer in their own shape.
	var oauth struct {
		Code        string `json:"error"`
		Description string `json:"error_description"`
	}
	if json.Unmarshal(data, &oauth) == nil && oauth.Code != "" {
		return &Error{Status: status, Code: oauth.Code, Message: oauth.Description}
	}
	return &Error{Status: status, Message: fmt.Sprintf("the service answered HTTP %d without an error document", status)}
}

func (b *body) toError() *Error {
	e := &Error{Code: b.Code, Message: b.Message, Target: b.Target}
	for _, info := range b.AdditionalInfo {
		e.Actions = append(e.Actions, info.Info.RecommendedAction...)
	}
	return e
}
