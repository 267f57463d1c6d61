package signin

import "net/http"

// cloud is the document by which ARM tools learn the addresses of a cloud.
type cloud struct {
	Name            string            `json:"name"`
	Portal          string            `json:"portal"`
	ResourceManager string            `json:"resourceManager"`
	GraphResourceID string            `json:"microsoftGraphResourceId"`
	Graph           string            `json:"graph"`
	Batch           string            `json:"batch"`
	Media           string            `json:"media"`
	Authentication  cloudAuth         `json:"authentication"`
	Suffixes        map[string]string `json:"suffixes"`
}

type cloudAuth struct {
	LoginEndpoint    string   `json:"loginEndpoint"`
	Audiences        []string `json:"audiences"`
	Tenant           string   `json:"tenant"`
	IdentityProvider string   `json:"identityProvider"`
}

// objectVersion is the first api-version whose answer is one cloud; before, it
// is a list of them.
const objectVersion = "2022-09-01"

// metadata needs no token: tools read it to learn where to get one.
func (s *Service) metadata(w http.ResponseWriter, r *http.Request) {
	doc := cloud{
		Name: "Holdfast", Portal: s.BaseURL, ResourceManager: s.BaseURL,
		GraphResourceID: s.BaseURL, Graph: s.BaseURL, Batch: s.BaseURL, Media: s.BaseURL,
		Authentication: cloudAuth{LoginEndpoint: s.BaseURL, Audiences: append([]string{s.BaseURL}, s.Audiences...), Tenant: "common", IdentityProvider: "AAD"},
		// Only names that no host answers to: the service has no such neighbours.
		Suffixes: map[string]string{"storage": "storage.invalid", "keyVaultDns": "vault.invalid",
			"sqlServerHostname": "sql.invalid", "acrLoginServer": "registry.invalid"},
	}
	if version := r.URL.Query().Get("api-version"); version != "" && version < objectVersion {
		reply(w, http.StatusOK, []cloud{doc})
		return
	}
	reply(w, http.StatusOK, doc)
}
