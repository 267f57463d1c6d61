package agenthub

import "crypto/tls"

// TLS returns the settings of the hub's listener. Client certificates are
// asked for but not demanded, because a program that enrols has none yet, and
// not verified in the handshake, because the Registrar verifies them on every
// request, so that a refusal has a reason that can be read.
func TLS(certificate func(*tls.ClientHelloInfo) (*tls.Certificate, error)) *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS13,
		ClientAuth:     tls.RequestClientCert,
		GetCertificate: certificate,
	}
}
