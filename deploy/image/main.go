// Command image packs the static holdfast-agent binary into a container image
// (a docker archive), without docker. See build.sh beside it.
package main

import (
	"flag"
	"fmt"
	"os"
	"runtime"
)

const (
	binaryPath   = "/usr/bin/holdfast-agent"
	certificates = "/etc/ssl/certs/ca-certificates.crt"
	passwd       = "root:x:0:0:root:/:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/:/sbin/nologin\n"
	group        = "root:x:0:\nnonroot:x:65532:\n"
)

func main() {
	binary := flag.String("binary", "", "the static binary")
	tag := flag.String("tag", "", "name and tag of the image")
	out := flag.String("out", "", "the archive to write")
	architecture := flag.String("architecture", runtime.GOARCH, "amd64 or arm64")
	roots := flag.String("certificates", certificates, "certificates of public authorities to trust")
	flag.Parse()
	if err := build(*binary, *roots, *tag, *architecture, *out); err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
}

func build(binary, roots, tag, architecture, out string) error {
	program, err := os.ReadFile(binary)
	if err != nil {
		return fmt.Errorf("read the binary: %w", err)
	}
	trusted, err := os.ReadFile(roots)
	if err != nil {
		return fmt.Errorf("read the certificates to trust (install ca-certificates): %w", err)
	}
	target, err := os.Create(out + ".part")
	if err != nil {
		return fmt.Errorf("write the archive: %w", err)
	}
	err = archive(target, tag, architecture, binaryPath, []file{
		{binaryPath, 0o755, program}, {certificates, 0o644, trusted},
		{"/etc/passwd", 0o644, []byte(passwd)}, {"/etc/group", 0o644, []byte(group)},
	})
	if closing := target.Close(); err == nil {
		err = closing
	}
	if err != nil {
		return err
	}
	return os.Rename(out+".part", out)
}
