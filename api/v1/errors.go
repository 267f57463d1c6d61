package v1

// CloudError is the error document.
type CloudError struct {
	Error ErrorBody `json:"error"`
}

// ErrorBody is an error as Azure Resource Manager writes it.
type ErrorBody struct {
	Code           string           `json:"code"`
	Message        string           `json:"message"`
	Target         string           `json:"target"`
	Details        []ErrorBody      `json:"details"`
	AdditionalInfo []AdditionalInfo `json:"additionalInfo,omitempty"`
}

// AdditionalInfo carries the UserFacingError of an error.
type AdditionalInfo struct {
	Type string          `json:"type"` // UserFacingError
	Info UserFacingError `json:"info"`
}

// UserFacingError is an error as jobs, instances and error documents show it
// to people.
type UserFacingError struct {
	Code              string            `json:"code"`
	Message           string            `json:"message"`
	Target            string            `json:"target"`
	IsRetryable       bool              `json:"isRetryable"`
	IsUserError       bool              `json:"isUserError"`
	RecommendedAction []string          `json:"recommendedAction"`
	Details           []UserFacingError `json:"details"`
	InnerError        *InnerError       `json:"innerError"`
	Properties        map[string]string `json:"properties,omitempty"`
}

// InnerError is further detail of an error.
type InnerError struct {
	Code               string            `json:"code,omitempty"`
	AdditionalInfo     map[string]string `json:"additionalInfo,omitempty"`
	EmbeddedInnerError *InnerError       `json:"embeddedInnerError,omitempty"`
}

// WarningDetail is one thing that a job left out.
type WarningDetail struct {
	ResourceName string          `json:"resourceName"`
	Warning      UserFacingError `json:"warning"`
}
