package scaffold_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"msctl.dev/msctl/scaffold"
)

// TestHostileSources is L7: an address that could run a program, or lead git elsewhere, never gets to it.
func TestHostileSources(t *testing.T) {
	id := strings.Repeat("a", 40)
	for _, bad := range []string{
		"ext::sh%20-c%20id?ref=" + id, "git::ext::sh?ref=" + id, "fd::3?ref=" + id, "ext://x/y?ref=" + id, "git://host/x?ref=" + id,
		"http://example.com/x?ref=" + id, "ssh://-oProxyCommand=id/x?ref=" + id, "ssh://-x@host/x?ref=" + id,
		"https:///x?ref=" + id, "file://host/x?ref=" + id, "https://u:secret@host/x?ref=" + id, "?ref=" + id, "https://host/x?depth=1",
		"https://host/x?ref=--upload-pack=id", "https://host/x?ref=a&ref=b", "https://host/x?ref=a%20b", "https://host/x//../y?ref=" + id,
		"https://host/x//.git/hooks?ref=" + id, "https://host/x//-y?ref=" + id, "https://host/x\n?ref=" + id, "https://host/ x?ref=" + id,
		"https://host/x?ref=" + id + "#sha256=abc", "https://host/x?ref=" + id + "#md5=" + id, "https://host/x//a:b?ref=" + id,
	} {
		if !scaffold.IsSource(bad) {
			continue // it is a folder's name, and there is no such folder
		}
		s, err := scaffold.ParseSource(bad, "/")
		if err == nil {
			t.Errorf("%q was read as %+v", bad, s)
		} else if strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: the password is told: %v", bad, err)
		}
	}
	for good, want := range map[string]scaffold.Source{
		"https://host/team/t.git//go/http?ref=" + id: {Remote: "https://host/team/t.git", Folder: "go/http", Ref: id},
		"git@host:team/t.git//http?ref=v1.2":         {Remote: "git@host:team/t.git", Folder: "http", Ref: "v1.2"},
		"ssh://git@host:22/t.git?ref=" + id:          {Remote: "ssh://git@host:22/t.git", Folder: ".", Ref: id},
		"../t//http/?ref=" + id:                      {Remote: "/srv/t", Folder: "http", Ref: id},
		"/a/t.git?ref=" + id:                         {Remote: "/a/t.git", Folder: ".", Ref: id},
		"https://host/t.git":                         {Remote: "https://host/t.git", Folder: "."},
	} {
		if got, err := scaffold.ParseSource(good, "/srv/here"); err != nil || got != want {
			t.Errorf("%s: got %+v, %v", good, got, err)
		}
	}
	for _, folder := range []string{"./team/http", "../x", "/srv/t//http", "go-http", "a@b"} {
		if scaffold.IsSource(folder) {
			t.Errorf("%s is no repository's", folder)
		}
	}
}

// mktree makes a commit of one tree whose folder "http" has these lines of `git mktree`.
func (r repository) mktree(lines ...string) string {
	r.t.Helper()
	text := "name: t\ndoc: d\nfiles:\n  - {from: f, to: x}\n"
	blob := func(text string) string { return r.git(text, "hash-object", "-w", "--stdin") }
	lines = append(lines, "100644 blob "+blob(text)+"\ttemplate.yaml", "100644 blob "+blob("x")+"\tf")
	tree := r.git(strings.Join(lines, "\n")+"\n", "mktree", "--missing")
	root := r.git("040000 tree "+tree+"\thttp\n", "mktree")
	return r.git("", "commit-tree", "-m", "x", root)
}

// publish lets a branch show a commit, so that it may be fetched.
func (r repository) publish(id string) string {
	r.t.Helper()
	r.git("", "update-ref", "refs/heads/hostile", id)
	return r.at(id)
}

// TestHostileRepositories is L7: what a commit may hold and a template may not is refused, nothing of it is run, and
// nothing is left behind.
func TestHostileRepositories(t *testing.T) {
	repo := newRepository(t)
	ran := filepath.Join(t.TempDir(), "ran")
	trap := "#!/bin/sh\ntouch " + ran + "\n"
	repo.commit()
	blob := func(text string) string { return repo.git(text, "hash-object", "-w", "--stdin") }
	noise := make([]byte, 3<<19)
	rand.Read(noise)
	var many []string
	for i, x := 0, blob("x"); i <= 1000; i++ {
		many = append(many, fmt.Sprintf("100644 blob %s\tg%d", x, i))
	}
	for name, tt := range map[string]struct {
		lines []string
		want  string
	}{
		"link out":        {[]string{"120000 blob " + blob("/etc/passwd") + "\tlink"}, "it is a link or no file"},
		"link up":         {[]string{"120000 blob " + blob("../README.md") + "\tlink"}, "it is a link or no file"},
		"submodule":       {[]string{"160000 commit " + strings.Repeat("1", 40) + "\tsub", "100644 blob " + blob("[submodule \"sub\"]\n\tpath = sub\n\turl = ext::sh -c 'touch "+ran+"'\n") + "\t.gitmodules"}, "it is a submodule"},
		"huge file":       {[]string{"100644 blob " + blob(string(noise)) + "\tbig"}, "it is over 1024 KiB"},
		"zeros":           {[]string{"100644 blob " + blob(strings.Repeat("0", 8<<20)) + "\tbig"}, "it is over 1024 KiB"},
		"LFS":             {[]string{"100644 blob " + blob("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n") + "\tbig"}, "Git LFS"},
		"many files":      {many, "over 1000 files"},
		"backslash":       {[]string{"100644 blob " + blob("x") + "\ta\\b"}, "not a name below the template"},
		"version control": {[]string{"100644 blob " + blob("x") + "\t.HG"}, "no template's to bring"},
	} {
		t.Run(name, func(t *testing.T) {
			r := remote(t)
			_, err := fetch(t.Context(), t, r, repo.publish(repo.mktree(tt.lines...)))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			if left, _ := filepath.Glob(filepath.Join(r.Cache, "*")); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
	t.Run("filters and hooks", func(t *testing.T) {
		address := repo.publish(repo.mktree("100644 blob " + blob("* filter=x diff=x export-subst\n") + "\t.gitattributes"))
		home := t.TempDir()
		hooks := filepath.Join(home, "hooks")
		for _, hook := range []string{"post-checkout", "reference-transaction", "post-merge", "pre-auto-gc", "fsmonitor-watchman"} {
			mustWrite(t, filepath.Join(hooks, hook), trap, 0o700)
			mustWrite(t, filepath.Join(repo.dir, ".git", "hooks", hook), trap, 0o700)
		}
		mustWrite(t, filepath.Join(home, "smudge"), trap, 0o700)
		mustWrite(t, filepath.Join(home, ".gitconfig"), "[filter \"x\"]\n\tsmudge = "+home+"/smudge\n\tprocess = "+home+"/smudge\n[core]\n\thooksPath = "+hooks+
			"\n\tfsmonitor = "+home+"/smudge\n[diff \"x\"]\n\ttextconv = "+home+"/smudge\n", 0o600)
		r := remote(t)
		r.Environ = append(r.Environ, "HOME="+home, "GIT_DIR=/nowhere", "GIT_EXTERNAL_DIFF="+home+"/smudge")
		f, err := fetch(t.Context(), t, r, address)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := scaffold.Load(f.Files); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(ran); err == nil {
			t.Error("something of the repository or of git's configuration was run")
		}
	})
}

func mustWrite(t *testing.T, name, text string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}

// TestRemoteTooLarge is L7: a repository that is large at its commit is refused while it comes, wherever in it the
// template is, and nothing of it stays.
func TestRemoteTooLarge(t *testing.T) {
	repo := newRepository(t)
	noise := make([]byte, 900<<10) // small enough to be asked for
	for i := range 4 {
		rand.Read(noise)
		repo.write(fmt.Sprintf("elsewhere/%d", i), string(noise))
	}
	id := repo.commit()
	r := remote(t)
	r.MaxBytes = 2 << 20
	if _, err := fetch(t.Context(), t, r, repo.at(id)); err == nil || !strings.Contains(err.Error(), "over 2 MiB") {
		t.Errorf("got %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(r.Cache, "*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// TestRemoteAsksNobody is L7: a server that wants a password gets none, and nobody is asked for one.
func TestRemoteAsksNobody(t *testing.T) {
	newRepository(t) // needs git
	asked := 0
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked++
		w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
		w.WriteHeader(http.StatusUnauthorized)
	}))
	defer web.Close()
	r := remote(t)
	r.Environ = append(r.Environ, "GIT_ASKPASS=/nowhere", "SSH_ASKPASS=/nowhere", "GIT_TERMINAL_PROMPT=1")
	_, err := fetch(t.Context(), t, r, web.URL+"/t.git//http?ref="+strings.Repeat("a", 40))
	if err == nil || !strings.Contains(err.Error(), "Authentication failed") || asked == 0 {
		t.Errorf("got %v after %d questions", err, asked)
	}
}

// TestRemoteSilent is L7: a server that says nothing is given up, and git with it.
func TestRemoteSilent(t *testing.T) {
	newRepository(t) // needs git
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	address := "http://" + ln.Addr().String() + "/t.git//http?ref=" + strings.Repeat("a", 40)
	r := remote(t)
	r.Timeout = 200 * time.Millisecond
	if _, err := fetch(t.Context(), t, r, address); err == nil || !strings.Contains(err.Error(), "not done within 200ms") {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := fetch(ctx, t, remote(t), address); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
