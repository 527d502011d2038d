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
	"context"
	"fmt"

	"github.com/open-feature/go-sdk/openfeature"
	"github.com/open-feature/go-sdk/openfeature/isolated"

	"msctl.dev/msctl/services/kit"
	"msctl.dev/msctl/services/kit/watch"
)

// Flags is a client of OpenFeature whose flags come from a file. A flag that is not there, or is
// disabled, has the value that its reader gives as default.
type Flags struct {
	*openfeature.Client
	file     *watch.File // nil: none
	provider *provider
}

// Open reads FLAGS_FILE; where that is not set there are no flags.
func Open(ctx context.Context, app *kit.App) (*Flags, error) {
	f := &Flags{provider: &provider{}}
	if path := app.Env("FLAGS_FILE"); path != "" {
		f.file = &watch.File{Name: "flags", Path: path, Log: app.Log, Take: f.take}
		if err := f.file.Read(); err != nil {
			return nil, err
		}
	}
	api := isolated.NewAPI() // of this service alone, also where a test runs several
	if err := api.SetProviderAndWait(ctx, f.provider); err != nil {
		return nil, fmt.Errorf("provide flags: %w", err)
	}
	f.Client = api.NewClient()
	app.Flag = f.on
	return f, nil
}

// on is a flag of the whole service: nobody has a share of it.
func (f *Flags) on(name string, other bool) bool {
	return f.Boolean(context.Background(), name, other, For(""))
}

// take has the flags be those of content.
func (f *Flags) take(content []byte) error {
	set, err := parse(content)
	if err != nil {
		return err
	}
	f.provider.set.Store(&set)
	return nil
}

// For says to whom a flag's value is given: the same client always gets the same share.
func For(client string) openfeature.EvaluationContext {
	return openfeature.NewEvaluationContext(client, nil)
}

// Run reads the file again whenever it changes, until ctx ends.
func (f *Flags) Run(ctx context.Context) error {
	if f.file == nil {
		<-ctx.Done()
		return nil
	}
	return f.file.Run(ctx)
}
