// Package flags reads feature flags through OpenFeature from a file that may change while the
// service runs. The file, FLAGS_FILE, is in flagd's JSON format: state, variants, defaultVariant,
// and of its targeting the operation "fractional", which here splits clients by a hash of their own.
//
//	{"flags": {"items-from": {
//		"state": "ENABLED",
//		"variants": {"new": "catalog", "old": "legacy"},
//		"defaultVariant": "new",
//		"targeting": {"fractional": [["new", 90], ["old", 10]]}}}}
//
// A file that cannot be read, such as one that is half written, changes nothing: the log says so,
// and the flags stay as they were.
package flags

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"
	"github.com/open-feature/go-sdk/openfeature"
	"github.com/open-feature/go-sdk/openfeature/isolated"

	"msctl.dev/msctl/services/kit"
)

// settle is how long a file must rest before it is read again: most are not written at once.
const settle = 20 * time.Millisecond

// Flags is a client of OpenFeature whose flags come from a file. A flag that is not there, or is
// disabled, has the value that its reader gives as default.
type Flags struct {
	*openfeature.Client
	file     string // "": none
	log      *slog.Logger
	provider *provider
	content  []byte // as it was read last, good or not
}

// Open reads FLAGS_FILE; where that is not set there are no flags.
func Open(ctx context.Context, app *kit.App) (*Flags, error) {
	f := &Flags{file: app.Env("FLAGS_FILE"), log: app.Log, provider: &provider{}}
	if f.file != "" {
		var err error
		if f.content, err = os.ReadFile(f.file); err != nil {
			return nil, fmt.Errorf("read flags: %w", err)
		}
		set, err := parse(f.content)
		if err != nil {
			return nil, fmt.Errorf("read flags of %s: %w", f.file, err)
		}
		f.provider.set.Store(&set)
	}
	api := isolated.NewAPI() // of this service alone, also where a test runs several
	if err := api.SetProviderAndWait(ctx, f.provider); err != nil {
		return nil, fmt.Errorf("provide flags: %w", err)
	}
	f.Client = api.NewClient()
	return f, nil
}

// For says to whom a flag's value is given: the same client always gets the same share.
func For(client string) openfeature.EvaluationContext {
	return openfeature.NewEvaluationContext(client, nil)
}

// Run reads the file again whenever it changes, until ctx ends.
func (f *Flags) Run(ctx context.Context) error {
	if f.file == "" {
		<-ctx.Done()
		return nil
	}
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("watch flags: %w", err)
	}
	defer w.Close()
	// The folder, as many programs write a new file and put it in the old one's place.
	if err := w.Add(filepath.Dir(f.file)); err != nil {
		return fmt.Errorf("watch flags: %w", err)
	}
	rest := time.NewTimer(settle) // reads what came between Open and the watch
	defer rest.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-w.Events:
			rest.Reset(settle)
		case err := <-w.Errors:
			f.log.Warn("flags not watched", "err", err)
			rest.Reset(settle)
		case <-rest.C:
			f.reload()
		}
	}
}

// reload takes what is in the file now, if that is other than before and can be read.
func (f *Flags) reload() {
	content, err := os.ReadFile(f.file)
	if err == nil && bytes.Equal(content, f.content) {
		return
	}
	var set set
	if err == nil {
		f.content = content
		set, err = parse(content)
	}
	if err != nil {
		f.log.Warn("flags kept as they were", "file", f.file, "err", err)
		return
	}
	f.provider.set.Store(&set)
	f.log.Info("flags read", "file", f.file, "flags", len(set))
}
