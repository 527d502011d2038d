package scaffold

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Source is a template in a git repository, as it is written: URL//FOLDER?ref=COMMIT#sha256=DIGEST.
type Source struct {
	Remote string // what git is given: a URL, host:path or the path of a repository
	Folder string // of the template in the repository, with slashes; "." is all of it
	Ref    string // as it is said; only the full id of a commit can be fetched
	Digest string // of the content, in hexadecimal digits; "" was not said
}

// scp is the short form of an ssh address: git@host:team/templates.git.
var scp = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]*@[A-Za-z0-9][A-Za-z0-9.-]*:[^:]+$`)

// IsSource reports whether a template's name is an address of a git repository, rather than a folder or one of msctl's.
func IsSource(name string) bool {
	return strings.Contains(name, "://") || strings.Contains(name, "::") || strings.Contains(name, "?ref=") ||
		scp.MatchString(name)
}

// ParseSource reads an address. The path of a repository is taken from dir. What it refuses is never given to git.
func ParseSource(name, dir string) (Source, error) {
	refuse := func(why string) (Source, error) {
		return Source{}, fmt.Errorf("read template %q: %s", password.ReplaceAllString(name, "${1}…@"), why)
	}
	if strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return refuse("it has blanks or control characters")
	}
	rest, fragment, _ := strings.Cut(strings.TrimPrefix(name, "git::"), "#")
	rest, query, _ := strings.Cut(rest, "?")
	s := Source{Folder: "."}
	s.Remote, s.Folder = cutFolder(rest)
	var err error
	if s.Remote, err = checkRemote(s.Remote, dir); err != nil {
		return refuse(err.Error())
	}
	if !fs.ValidPath(s.Folder) || s.Folder != "." && CheckPath(s.Folder) != nil {
		return refuse(fmt.Sprintf("folder %q is none of a repository", s.Folder))
	}
	values, err := url.ParseQuery(query)
	if err != nil {
		return refuse("what follows the ? cannot be read")
	}
	for key := range values {
		if key != "ref" || len(values[key]) > 1 {
			return refuse("only ref, once, may follow the ?")
		}
	}
	if s.Ref = values.Get("ref"); s.Ref != "" && !refForm.MatchString(s.Ref) {
		return refuse(fmt.Sprintf("ref %q is no name that git knows", s.Ref))
	}
	if fragment == "" {
		return s, nil
	}
	if s.Digest = strings.TrimPrefix(fragment, "sha256="); !digestForm.MatchString(s.Digest) {
		return refuse("after the # stands sha256= and 64 hexadecimal digits")
	}
	return s, nil
}

// password is what is not shown of an address.
var password = regexp.MustCompile(`(://[^/:@]*:)[^/@]*@`)

var (
	refForm    = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._/+@-]{0,200}$`)
	commitForm = regexp.MustCompile(`^([0-9a-f]{40}|[0-9a-f]{64})$`)
	digestForm = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

// cutFolder takes an address apart at the // that is not its scheme's.
func cutFolder(address string) (remote, folder string) {
	from := 0
	if at := strings.Index(address, "://"); at >= 0 {
		from = at + len("://")
	}
	if at := strings.Index(address[from:], "//"); at > 0 {
		return address[:from+at], strings.TrimSuffix(address[from+at+2:], "/")
	}
	return address, "."
}

// transports are the ways to a repository. Those that name a program, such as ext::, are not among them.
var transports = []string{"https", "ssh", "file", "http"}

// checkRemote returns what git is to be given.
func checkRemote(remote, dir string) (string, error) {
	switch {
	case strings.Contains(remote, "::"):
		return "", errors.New("what stands before :: names a program, which is not run")
	case scp.MatchString(remote):
		return remote, nil
	case !strings.Contains(remote, "://"):
		if remote == "" {
			return "", errors.New("it names no repository")
		}
		if !filepath.IsAbs(remote) {
			remote = filepath.Join(dir, remote)
		}
		return filepath.Clean(remote), nil
	}
	u, err := url.Parse(remote)
	if err != nil {
		return "", errors.New("it is no URL")
	}
	_, secret := u.User.Password()
	switch {
	case !slices.Contains(transports, u.Scheme):
		return "", fmt.Errorf("%s is not among %s", u.Scheme, strings.Join(transports[:3], ", "))
	case secret:
		return "", errors.New("it has a password, which others could read: leave it to git's credential helper")
	case strings.HasPrefix(u.Host, "-") || strings.HasPrefix(u.User.Username(), "-"):
		return "", errors.New("its host begins with -")
	case u.Scheme == "file" && u.Host != "" && u.Host != "localhost":
		return "", errors.New("a file is on this machine")
	case u.Scheme != "file" && u.Hostname() == "":
		return "", errors.New("it has no host")
	case u.Scheme == "http" && !loopback(u.Hostname()):
		return "", errors.New("http is for this machine; https is safe from others")
	}
	return remote, nil
}

func loopback(host string) bool { return host == "localhost" || net.ParseIP(host).IsLoopback() }

// Pinned reports whether it names one commit for good.
func (s Source) Pinned() bool { return commitForm.MatchString(s.Ref) }

// String is the address anew.
func (s Source) String() string {
	var b strings.Builder
	b.WriteString(s.Remote)
	if s.Folder != "." {
		b.WriteString("//" + s.Folder)
	}
	if s.Ref != "" {
		b.WriteString("?ref=" + s.Ref)
	}
	if s.Digest != "" {
		b.WriteString("#sha256=" + s.Digest)
	}
	return b.String()
}

// RemoteError says why a template could not be had from a repository, and what to do.
type RemoteError struct {
	Source Source
	Err    error
	Advice string
}

func (e *RemoteError) Error() string { return fmt.Sprintf("fetch template %s: %v", e.Source, e.Err) }

func (e *RemoteError) Unwrap() error { return e.Err }

// Hint says what to do about it.
func (e *RemoteError) Hint() string { return e.Advice }
