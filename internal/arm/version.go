package arm

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"
)

var versionForm = regexp.MustCompile(`^(\d{4}-\d{2}-\d{2})(-(preview|alpha|beta|privatepreview))?$`)

// apiVersion takes the version from the query; its name ignores case.
func apiVersion(query url.Values) (string, error) {
	for name, values := range query {
		if strings.EqualFold(name, "api-version") && values[0] != "" {
			version := strings.ToLower(values[0])
			form := versionForm.FindStringSubmatch(version)
			if form == nil {
				return "", unknownVersion(values[0])
			}
			if _, err := time.Parse(time.DateOnly, form[1]); err != nil {
				return "", unknownVersion(values[0])
			}
			return version, nil
		}
	}
	return "", &Error{Status: http.StatusBadRequest, Code: "MissingApiVersionParameter",
		Message: "The api-version query parameter (?api-version=) is required for all requests."}
}

func unknownVersion(version string) *Error {
	return &Error{Status: http.StatusBadRequest, Code: "InvalidApiVersionParameter",
		Message: fmt.Sprintf("The api-version '%s' is invalid. It has the form YYYY-MM-DD or YYYY-MM-DD-preview.", version)}
}

// accepts checks the version against the oldest one of the type. Dates compare
// as text.
func (t *Type) accepts(version string) error {
	if t.MinVersion == "" || version[:len(time.DateOnly)] >= t.MinVersion {
		return nil
	}
	return &Error{Status: http.StatusBadRequest, Code: "NoRegisteredProviderFound",
		Message: fmt.Sprintf("No registered resource provider found for API version '%s' for type '%s'. The supported api-versions are '%s' and later.",
			version, t.Name, t.MinVersion)}
}
