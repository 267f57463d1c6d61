package v1

// OperationStatus is what the address in Azure-AsyncOperation answers with.
type OperationStatus struct {
	ID         string                    `json:"id"`
	Name       string                    `json:"name"`
	Status     string                    `json:"status"` // Inprogress, Succeeded, Failed, Canceled
	StartTime  string                    `json:"startTime"`
	EndTime    string                    `json:"endTime"`
	Error      *ErrorBody                `json:"error,omitempty"`
	Properties *OperationJobExtendedInfo `json:"properties,omitempty"`
}

// OperationJobExtendedInfo points from an operation to its job.
type OperationJobExtendedInfo struct {
	ObjectType string `json:"objectType"` // OperationJobExtendedInfo
	JobID      string `json:"jobId"`      // full id
}

// NameAvailabilityRequest asks whether a name can be taken.
type NameAvailabilityRequest struct {
	Name string `json:"name"`
	Type string `json:"type"`
}

// NameAvailability answers a NameAvailabilityRequest. Reason is Invalid or
// AlreadyExists, null when available.
type NameAvailability struct {
	NameAvailable bool    `json:"nameAvailable"`
	Reason        *string `json:"reason"`
	Message       *string `json:"message"`
}

// ProviderOperation is one line of what a resource provider offers.
type ProviderOperation struct {
	Name         string                   `json:"name"`
	IsDataAction bool                     `json:"isDataAction"`
	Display      ProviderOperationDisplay `json:"display"`
}

// ProviderOperationDisplay describes a ProviderOperation to people.
type ProviderOperationDisplay struct {
	Provider    string `json:"provider"`
	Resource    string `json:"resource"`
	Operation   string `json:"operation"`
	Description string `json:"description"`
}
