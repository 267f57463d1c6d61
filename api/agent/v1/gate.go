package v1

// Paths of the gate, relative to the service's agent address. See spec/gate.md.
const (
	// PathGateObjects is where a grant's objects are listed; "/" and a name
	// appended, it is one object.
	PathGateObjects = "/gate/v1/objects"
	PathGateRenew   = "/gate/v1/renew"
)

// HeaderGateCode carries the code of a gate's refusal, because an answer to HEAD
// has no body.
const HeaderGateCode = "Holdfast-Error-Code"

// Codes of the gate's refusals.
const (
	CodeGateGrantInvalid     = "InvalidGrant"      // 401: not a grant of this service
	CodeGateGrantExpired     = "GrantExpired"      // 401
	CodeGateGrantEnded       = "GrantEnded"        // 401: its operation has ended or was called off
	CodeGateWrongCluster     = "WrongCluster"      // 403: the client certificate is another cluster's
	CodeGateNotAllowed       = "NotAllowed"        // 403: the grant does not give this right
	CodeGateNameNotAllowed   = "NameNotAllowed"    // 403: the grant does not reach this name
	CodeGateStoreForbidden   = "StoreForbidden"    // 403: the store does not let the service
	CodeGateName             = "InvalidObjectName" // 400
	CodeGateBadRequest       = "BadRequest"        // 400
	CodeGateNotFound         = "ObjectNotFound"    // 404
	CodeGateNoBucket         = "BucketNotFound"    // 404
	CodeGateMethod           = "MethodNotAllowed"  // 405
	CodeGateTimeout          = "RequestTimeout"    // 408: the content came too slowly
	CodeGateExists           = "ObjectExists"      // 409
	CodeGateLengthRequired   = "LengthRequired"    // 411
	CodeGateTooLarge         = "ObjectTooLarge"    // 413
	CodeGateRange            = "InvalidRange"      // 416
	CodeGateTooMany          = "TooManyRequests"   // 429
	CodeGateInternal         = "InternalServerError"
	CodeGateStoreUnavailable = "StoreUnavailable" // 503
)

// GateMaxObject is the largest object the gate takes, in bytes: a full pack and
// some slack.
const GateMaxObject = 65 << 20

// GateGrant opens the gate for the objects of one repository, for a short time
// and at most as long as its operation lives. The token is a secret of the same
// kind as a data key: memory, or a Secret that goes with the operation.
//
// +kubebuilder:object:generate=true
type GateGrant struct {
	URL   string `json:"url"`             // https://host:port of the service
	Token string `json:"token,omitempty"` // bearer token; never in a custom resource
	CA    string `json:"ca,omitempty"`    // PEM to trust the service by; empty for public authorities
	// Seconds is how long the token was good for when it was issued. Renew well
	// before; a renewed grant answers PathGateRenew.
	Seconds int `json:"seconds"`
}

// GateLine is one line of a listing: an object, or in the last line what comes
// after. A listing without a last line that says End or Next was cut off.
type GateLine struct {
	Name string `json:"name,omitempty"` // relative to the grant's prefix
	Size int64  `json:"size,omitempty"` // bytes
	// Next is the name after which the next page starts.
	Next string `json:"next,omitempty"`
	// End says that there are no further objects.
	End bool `json:"end,omitempty"`
}
