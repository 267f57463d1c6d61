package image

import (
	"fmt"
	"strconv"
	"strings"
)

const defaultPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// Account is a user with a group of the same name and number.
type Account struct {
	Name string
	ID   int
	Home string
}

// ParseAccount reads NAME:ID[:HOME]; the home is / when left out.
func ParseAccount(text string) (Account, error) {
	parts := strings.SplitN(text, ":", 3)
	if len(parts) < 2 || parts[0] == "" {
		return Account{}, fmt.Errorf("account %q: want NAME:ID[:HOME]", text)
	}
	id, err := strconv.Atoi(parts[1])
	if err != nil || id < 1 {
		return Account{}, fmt.Errorf("account %q: the id must be a positive number", text)
	}
	a := Account{Name: parts[0], ID: id, Home: "/"}
	if len(parts) == 3 {
		a.Home = parts[2]
	}
	return a, nil
}

// Basics adds what programs expect to find: users and groups, /tmp, and a few
// empty folders. Each account owns its home.
func (l *Layer) Basics(accounts []Account) error {
	all := append([]Account{{"root", 0, "/root"}, {"nobody", 65534, "/"}}, accounts...)
	var users, groups strings.Builder
	for _, a := range all {
		fmt.Fprintf(&users, "%s:x:%d:%d::%s:/bin/sh\n", a.Name, a.ID, a.ID, a.Home)
		fmt.Fprintf(&groups, "%s:x:%d:\n", a.Name, a.ID)
		if a.Home != "/" {
			if err := l.Folder(a.Home, 0o755, a.ID); err != nil {
				return err
			}
		}
	}
	for _, dir := range []string{"/tmp", "/var/tmp"} {
		if err := l.Folder(dir, 0o1777, 0); err != nil {
			return err
		}
	}
	for _, dir := range []string{"/proc", "/sys", "/dev", "/run", "/etc"} {
		if err := l.Folder(dir, 0o755, 0); err != nil {
			return err
		}
	}
	if err := l.Link("/var/run", "/run"); err != nil {
		return err
	}
	if err := l.Text("/etc/passwd", users.String()); err != nil {
		return err
	}
	return l.Text("/etc/group", groups.String())
}
