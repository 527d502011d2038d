package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/rogpeppe/go-internal/diff"
	"github.com/spf13/cobra"

	"msctl.dev/msctl/internal/control"
	"msctl.dev/msctl/internal/stack"
)

// revising is a command that edits stack.yaml: its flags, and what it tells afterwards.
type revising struct {
	app              *App
	dryRun, noReload *bool
	json             *bool
	beside           []stack.FileChange // other files that change with it
}

// revisingFlags adds the flags of a command that edits stack.yaml.
func (a *App) revisingFlags(cmd *cobra.Command) revising {
	return revising{
		app:      a,
		dryRun:   cmd.Flags().Bool("dry-run", false, "print what would change as a diff, and write nothing"),
		noReload: cmd.Flags().Bool("no-reload", false, "leave a running fleet as it is"),
		json:     jsonFlag(cmd),
	}
}

// jsonRevision is what --json tells of a change.
type jsonRevision struct {
	Action   string        `json:"action"` // "add resource", "add edge", "add route", "remove service"
	Name     string        `json:"name"`
	Files    []jsonRevised `json:"files"`
	Written  bool          `json:"written"`
	Reloaded bool          `json:"reloaded"`
	Left     string        `json:"left,omitempty"` // folder of code that nothing runs any more
}

type jsonRevised struct {
	File string `json:"file"`
	Diff string `json:"diff"`
}

// apply edits the files of the stack, writes them unless --dry-run, and lets a running fleet read them again.
// told says what was done, when it was; names are the services and resources that may change.
func (r revising) apply(ctx context.Context, out jsonRevision, names []string, told func(*stack.Revision) string,
	change func(*stack.Stack, []*stack.Document) error) error {
	rev, err := stack.Revise(r.app.loadOptions(), func(old *stack.Stack, ds []*stack.Document) error {
		return refused(change(old, ds))
	})
	if errors.Is(err, stack.ErrNoFile) {
		return noStack(r.app.Dir)
	}
	if err == nil {
		err = rev.Unchanged(names...)
	} else if rev != nil {
		err = &codedError{err, exitUsage, ""} // the file is good, and would not be any more
	}
	if err != nil {
		return err
	}
	rev.Files = append(slices.Clone(r.beside), rev.Files...) // stack.yaml last: what it leads to is there
	for _, f := range rev.Files {
		out.Files = append(out.Files, jsonRevised{f.Shown, r.app.veil().Text(fileDiff(f))})
	}
	if *r.dryRun {
		return r.show(out)
	}
	if err := rev.Write(); err != nil {
		return err
	}
	out.Written = true
	fmt.Fprintln(r.app.Err, told(rev))
	if out.Reloaded, err = r.reload(ctx, names); err != nil {
		return err
	}
	if *r.json {
		return writeJSON(r.app.Out, "change", out)
	}
	return nil
}

// refused is an error of an edit: the file is good, and only cannot be changed so.
func refused(err error) error {
	var one *stack.Error
	if errors.As(err, &one) {
		return &codedError{err, exitFailed, one.Hint}
	}
	return err
}

// show prints what would change.
func (r revising) show(out jsonRevision) error {
	if *r.json {
		return writeJSON(r.app.Out, "change", out)
	}
	for _, f := range out.Files {
		if _, err := fmt.Fprint(r.app.Out, f.Diff); err != nil {
			return err
		}
	}
	return nil
}

// fileDiff is the change of a file as patch programs read it.
func fileDiff(f stack.FileChange) string {
	text := string(diff.Diff(f.Shown, f.Before, f.Shown, f.After))
	_, text, _ = strings.Cut(text, "\n") // its first line names the command that nobody ran
	return text
}

// reload lets the fleet, if it is up, read the stack again.
func (r revising) reload(ctx context.Context, names []string) (bool, error) {
	if *r.noReload {
		return false, nil
	}
	err := r.app.withClient(ctx, func(ctx context.Context, c *control.Client) error {
		snap, err := c.Snapshot(ctx)
		if err != nil {
			return err
		}
		w := waitFor{doing: "reloading", after: snap.Seq, notices: names}
		return r.app.during(ctx, c, w, c.Reload)
	})
	if errors.Is(err, control.ErrNotRunning) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("reload the running fleet: %w", err)
	}
	fmt.Fprintln(r.app.Err, "the running fleet was reloaded")
	return true, nil
}

// placed is the file and line of a place.
func placed(p stack.Pos) string { return fmt.Sprintf("%s:%d", clean(p.File), p.Line) }

// freeName refuses a name that the stack has already, in any of its files.
func freeName(st *stack.Stack, name string) error {
	for _, s := range st.Services {
		if s.Name == name {
			return failed("choose another name", "add %s: a service at %s has that name", name, placed(s.Pos))
		}
	}
	for _, r := range st.Resources {
		if r.Name == name {
			return failed("choose another name", "add %s: a resource at %s has that name", name, placed(r.Pos))
		}
	}
	return nil
}
