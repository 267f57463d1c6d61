package service

import (
	"context"
	"net/http"
	"time"

	"holdfast.dev/holdfast/internal/catalog"
)

// healthTime bounds the look at the catalog.
const healthTime = 5 * time.Second

// health answers /healthz (the process runs) and /readyz (the catalog
// answers) without sign-in, and hands everything else on. It is no ServeMux,
// because that redirects the doubled slashes that ARM clients send.
func health(store catalog.Store, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/healthz":
			w.WriteHeader(http.StatusOK)
		case "/readyz":
			if err := ready(r.Context(), store); err != nil {
				http.Error(w, "the catalog does not answer", http.StatusServiceUnavailable)
				return
			}
			w.WriteHeader(http.StatusOK)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

func ready(ctx context.Context, store catalog.Store) error {
	ctx, cancel := context.WithTimeout(ctx, healthTime)
	defer cancel()
	return store.View(ctx, func(tx catalog.Tx) error {
		_, err := tx.List(catalog.Query{Kind: "ready", Limit: 1})
		return err
	})
}
