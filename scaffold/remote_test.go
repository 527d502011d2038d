package scaffold_test

import (
	"context"
	"errors"
	"io/fs"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"msctl.dev/msctl/internal/need"
	"msctl.dev/msctl/scaffold"
)

// repository is a git repository with a template in the folder "http".
type repository struct {
	t   *testing.T
	dir string
}

func newRepository(t *testing.T) repository {
	t.Helper()
	need.Tool(t, "git")
	r := repository{t, filepath.Join(t.TempDir(), "templates")}
	r.git("", "init", "--quiet", "--initial-branch=main", r.dir)
	r.write(".git/config", "[core]\n\trepositoryformatversion = 0\n\tbare = false\n\tcompression = 0\n[pack]\n\twindow = 0\n") // quick
	r.write("README.md", "ours\n")
	r.write("http/template.yaml", "name: team-http\ndoc: ours\nfiles:\n  - {from: f.tmpl, to: '{{.Path}}/x'}\n")
	r.write("http/f.tmpl", "{{.Service}}\n")
	return r
}

// git runs git as nobody in particular, and returns what it prints.
func (r repository) git(stdin string, args ...string) string {
	r.t.Helper()
	cmd := exec.Command("git", args...)
	if args[0] != "init" {
		cmd.Dir = r.dir
	}
	cmd.Stdin = strings.NewReader(stdin)
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1", "GIT_ALLOW_PROTOCOL=file",
		"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@example.com", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@example.com")
	out, err := cmd.CombinedOutput()
	if err != nil {
		r.t.Fatalf("git %v: %v: %s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

func (r repository) write(name, text string) {
	r.t.Helper()
	at := filepath.Join(r.dir, name)
	if err := os.MkdirAll(filepath.Dir(at), 0o700); err != nil {
		r.t.Fatal(err)
	}
	if err := os.WriteFile(at, []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

// commit commits all, and returns the id.
func (r repository) commit() string {
	r.t.Helper()
	r.git("", "add", "--all")
	r.git("", "commit", "--quiet", "--allow-empty", "--message=x")
	return r.git("", "rev-parse", "HEAD")
}

// at is the address of the template at a revision.
func (r repository) at(ref string) string { return "file://" + r.dir + "//http?ref=" + ref }

// remote fetches into a cache of its own.
func remote(t *testing.T) scaffold.Remote {
	home := t.TempDir()
	return scaffold.Remote{Cache: filepath.Join(t.TempDir(), "cache"), Environ: []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home}}
}

func fetch(ctx context.Context, t *testing.T, r scaffold.Remote, address string) (*scaffold.Fetched, error) {
	t.Helper()
	s, err := scaffold.ParseSource(address, "/")
	if err != nil {
		t.Fatal(err)
	}
	return r.Fetch(ctx, s)
}

// names lists the files of a template.
func names(t *testing.T, files fs.FS) string {
	t.Helper()
	var all []string
	err := fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			all = append(all, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(all, " ")
}

// TestRemote is L7: a template of a repository, pinned to a commit, is fetched once, is the same on all ways, and is
// held to its digest.
func TestRemote(t *testing.T) {
	repo := newRepository(t)
	id := repo.commit()
	bare := repo.dir + ".git"
	repo.git("", "clone", "--quiet", "--bare", repo.dir, bare)
	web := httptest.NewServer(&cgi.Handler{Path: gitCore(t) + "/git-http-backend",
		Env: []string{"GIT_PROJECT_ROOT=" + filepath.Dir(bare), "GIT_HTTP_EXPORT_ALL=1"}, InheritEnv: []string{"PATH"}})
	defer web.Close()
	r := remote(t)
	digest := ""
	for _, address := range []string{repo.at(id), "git::" + repo.at(id), repo.dir + "//http?ref=" + id, bare + "//http?ref=" + id,
		web.URL + "/templates.git//http?ref=" + id} {
		f, err := fetch(t.Context(), t, r, address)
		if err != nil {
			t.Fatalf("%s: %v", address, err)
		}
		if got := names(t, f.Files); got != "f.tmpl template.yaml" {
			t.Errorf("%s: has %s", address, got)
		}
		if tpl, err := scaffold.Load(f.Files); err != nil || scaffold.Try(tpl) != nil {
			t.Errorf("%s: %v", address, err)
		}
		if digest == "" {
			digest = f.Digest
		}
		if f.Digest != digest {
			t.Errorf("%s: digest %s, want %s", address, f.Digest, digest)
		}
	}
	if f, err := fetch(t.Context(), t, r, repo.at(id)+"#sha256="+digest); err != nil || !f.Cached {
		t.Errorf("with its digest: %v", err)
	}
	for _, r := range []scaffold.Remote{r, remote(t)} { // here already, and not
		if _, err := fetch(t.Context(), t, r, repo.at(id)+"#sha256="+strings.Repeat("0", 64)); err == nil || !strings.Contains(err.Error(), digest) {
			t.Errorf("another digest: %v, want an error that tells the right one", err)
		}
	}
}

func gitCore(t *testing.T) string {
	need.Tool(t, "git")
	out, err := exec.Command("git", "--exec-path").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// TestRemoteOffline is L7: what was fetched is there when the repository is not, and what of it is damaged is not used.
func TestRemoteOffline(t *testing.T) {
	repo := newRepository(t)
	id := repo.commit()
	r := remote(t)
	if _, err := fetch(t.Context(), t, r, repo.at(id)); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(repo.dir, repo.dir+".away"); err != nil {
		t.Fatal(err)
	}
	if f, err := fetch(t.Context(), t, r, repo.at(id)); err != nil || !f.Cached {
		t.Errorf("offline: %v", err)
	}
	other := strings.Replace(repo.at(id), "templates", "elsewhere", 1)
	if _, err := fetch(t.Context(), t, r, other); err == nil {
		t.Error("another repository's was taken for it")
	}
	kept, err := filepath.Glob(filepath.Join(r.Cache, "*"))
	if err != nil || len(kept) != 1 {
		t.Fatalf("%v: the cache has %v, want one file", err, kept)
	}
	data, err := os.ReadFile(kept[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, spoilt := range [][]byte{data[:len(data)/2], []byte(strings.Replace(string(data), "Service", "Sarvice", 1))} {
		if err := os.WriteFile(kept[0], spoilt, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := fetch(t.Context(), t, r, repo.at(id)); err == nil {
			t.Error("a damaged archive was used")
		}
	}
}

// TestRemotePins is L7: a revision that can change is refused, with the commit that it stands for now.
func TestRemotePins(t *testing.T) {
	repo := newRepository(t)
	first := repo.commit()
	repo.git("", "tag", "light")
	repo.git("", "tag", "--annotate", "--message=x", "v1")
	tag := repo.git("", "rev-parse", "v1")
	repo.write("README.md", "newer\n")
	second := repo.commit()
	r := remote(t)
	hint := func(ref string) string {
		t.Helper()
		_, err := fetch(t.Context(), t, r, strings.TrimSuffix(repo.at(ref), "?ref="))
		var known *scaffold.RemoteError
		if !errors.As(err, &known) {
			t.Fatalf("%q: got %v, want a refusal", ref, err)
		}
		return known.Hint()
	}
	for ref, want := range map[string]string{"": second, "HEAD": second, "main": second, "v1": first, "light": first, tag: first} {
		if got := hint(ref); !strings.Contains(got, repo.at(want)) {
			t.Errorf("%q: got hint %q, want %s in it", ref, got, want)
		}
	}
	for ref, want := range map[string]string{first[:8]: "all of its 40 digits", "nope": "the full id of a commit", "../x": "the full id"} {
		if ref == "../x" {
			continue // refused before
		}
		if got := hint(ref); !strings.Contains(got, want) {
			t.Errorf("%q: got hint %q", ref, got)
		}
	}
	repo.git("", "tag", "--force", "v1", second)
	if got := hint("v1"); !strings.Contains(got, second) {
		t.Errorf("a tag that moved: got hint %q", got)
	}
	for _, id := range []string{first, second} {
		f, err := fetch(t.Context(), t, r, repo.at(id))
		if err != nil {
			t.Fatal(err)
		}
		if f.Source.Ref != id {
			t.Errorf("got %s", f.Source.Ref)
		}
	}
}
