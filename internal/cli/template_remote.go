package cli

import (
	"context"
	"fmt"
	"path/filepath"
	"runtime"
	"sync/atomic"

	"msctl.dev/msctl/scaffold"
)

// exampleSource is how a template in a git repository is said.
const exampleSource = "'https://git.example.com/team/templates.git//go-http?ref=COMMIT'"

// remoteTemplate loads a template from a git repository, and says what it is by the address that holds it fast.
func (a *App) remoteTemplate(ctx context.Context, name string) (*scaffold.Template, string, error) {
	s, err := scaffold.ParseSource(name, a.Dir)
	if err != nil {
		return nil, "", usage("a repository's is said as URL//FOLDER?ref=COMMIT", "%v", err)
	}
	var came atomic.Int64
	r := scaffold.Remote{Cache: filepath.Join(a.cacheDir(), "templates"), Environ: a.Environ, Progress: came.Store}
	stop := a.progress(ctx, "fetching "+clean(s.Remote), func(context.Context) string {
		if n := came.Load(); n >= 1<<20 {
			return fmt.Sprintf(": %d MiB", n>>20)
		}
		return ""
	})
	f, err := r.Fetch(ctx, s)
	stop()
	if err != nil {
		return nil, "", err
	}
	t, err := scaffold.Load(f.Files)
	if err != nil {
		return nil, "", failed("docs/templates.md says what a template is", "load template %s: %w", name, err)
	}
	checked := ""
	if s.Digest != "" {
		checked = " (content checked)"
	}
	s.Digest = f.Digest
	fmt.Fprintf(a.Err, "template %s is %s%s\n", clean(t.Name), clean(s.String()), checked)
	return t, s.String(), nil
}

// cacheDir is the user's folder for what can be fetched again.
func (a *App) cacheDir() string {
	base := a.Getenv("XDG_CACHE_HOME")
	switch {
	case filepath.IsAbs(base):
	case runtime.GOOS == "darwin":
		base = filepath.Join(a.Getenv("HOME"), "Library", "Caches")
	default:
		base = filepath.Join(a.Getenv("HOME"), ".cache")
	}
	return filepath.Join(base, "msctl")
}
