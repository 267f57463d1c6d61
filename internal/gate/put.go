package gate

import (
	"fmt"
	"net/http"

	agentv1 "holdfast.dev/holdfast/api/agent/v1"
)

// put creates an object from the content of the request. Content is passed on
// as it comes. Its last bytes are held back until it is sure that the operation
// still lives, and a store makes an object only of what came whole: so neither
// a cut-off upload nor one that outlived its operation ever becomes an object.
func (c *call) put(name string) error {
	size := c.r.ContentLength
	switch {
	case size < 0 || c.r.Header.Get("Content-Length") == "": // none means no content in HTTP, and a mistake here
		return refusal(agentv1.CodeGateLengthRequired, "the length of the content must be told beforehand")
	case size > agentv1.GateMaxObject:
		return refusal(agentv1.CodeGateTooLarge, fmt.Sprintf("an object has at most %d bytes", agentv1.GateMaxObject))
	}
	store, err := c.open(name, true)
	if err != nil {
		return err
	}
	content := c.incoming(size)
	err = store.Put(c.r.Context(), name, content, size)
	if content.err != nil {
		return content.err // whatever the store makes of it
	}
	if err != nil {
		return err
	}
	c.w.WriteHeader(http.StatusCreated)
	return nil
}
