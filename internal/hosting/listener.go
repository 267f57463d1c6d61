package hosting

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

const (
	headerTime = 10 * time.Second
	idleTime   = 2 * time.Minute
	// drainTime is how long requests may go on after a stop.
	drainTime = 10 * time.Second
)

// HTTP serves handler on listener; with TLS when settings are given. The
// contexts of requests end when the service is asked to stop, so that long
// polls do not hold it up.
func HTTP(name string, listener net.Listener, settings *tls.Config, handler http.Handler, log *slog.Logger) Service {
	return Service{Name: name, Run: func(ctx context.Context) error {
		server := &http.Server{
			Handler: handler, TLSConfig: settings,
			ReadHeaderTimeout: headerTime, IdleTimeout: idleTime,
			BaseContext: func(net.Listener) context.Context { return ctx },
			// Failed handshakes and the like: the peer's trouble, seldom ours.
			ErrorLog: slog.NewLogLogger(log.With("listener", name).Handler(), slog.LevelDebug),
		}
		ended := make(chan error, 1)
		go func() {
			if settings == nil {
				ended <- server.Serve(listener)
			} else {
				ended <- server.ServeTLS(listener, "", "")
			}
		}()
		select {
		case err := <-ended:
			return fmt.Errorf("serve %s: %w", listener.Addr(), err)
		case <-ctx.Done():
		}
		drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
		defer cancel()
		if err := server.Shutdown(drain); err != nil {
			return errors.Join(fmt.Errorf("stop serving %s: %w", listener.Addr(), err), server.Close())
		}
		return nil
	}}
}
