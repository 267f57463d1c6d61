package arm

// errorDocument is the body of every answer that is not a success.
type errorDocument struct {
	Error errorBody `json:"error"`
}

type errorBody struct {
	Code           string           `json:"code"`
	Message        string           `json:"message"`
	Target         string           `json:"target,omitempty"`
	Details        []errorBody      `json:"details"`
	AdditionalInfo []additionalInfo `json:"additionalInfo,omitempty"`
}

type additionalInfo struct {
	Type string          `json:"type"`
	Info userFacingError `json:"info"`
}

type userFacingError struct {
	Code              string            `json:"code"`
	Message           string            `json:"message"`
	Target            string            `json:"target"`
	IsRetryable       bool              `json:"isRetryable"`
	IsUserError       bool              `json:"isUserError"`
	RecommendedAction []string          `json:"recommendedAction"`
	Details           []userFacingError `json:"details"`
	InnerError        *struct{}         `json:"innerError"`
	Properties        map[string]string `json:"properties"`
}

// document makes the body of e. What the service itself refuses carries
// additional information, and so does whatever there is something to do about; what
// else any resource manager refuses does not.
func (e *Error) document(correlation string) errorBody {
	body := errorBody{Code: e.Code, Message: e.Message, Target: e.Target}
	if !e.UserError && !e.Retryable && len(e.Actions) == 0 {
		return body
	}
	actions := e.Actions
	if actions == nil {
		actions = []string{}
	}
	body.AdditionalInfo = []additionalInfo{{Type: "UserFacingError", Info: userFacingError{
		Code: e.Code, Message: e.Message, Target: e.Target,
		IsRetryable: e.Retryable, IsUserError: e.UserError, RecommendedAction: actions,
		Properties: map[string]string{"ActivityId": correlation},
	}}}
	return body
}
