package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"msctl.dev/msctl/chaos/experiment"
	"msctl.dev/msctl/chaos/explore"
)

// exitIncomplete is the exit code of a search that was not ended.
const exitIncomplete = 6

// explore searches, tells what was found, and writes it down.
func (x *exploring) explore(ctx context.Context, s *explore.Search) error {
	if x.notice != "" {
		fmt.Fprintln(x.Err, x.notice)
	}
	past := x.kept
	if s.Past = past; len(past) > 0 {
		fmt.Fprintf(x.Err, "%s made before: going on behind them\n", count(len(past), "run"))
		for _, p := range past {
			if len(p.Set) == 0 {
				x.learn(p.Run)
			}
		}
	}
	r, err := x.do(ctx, s, func(p explore.Past) error { past = append(past, p); return x.save(past) })
	if failed := x.failure(ctx, err); failed != nil {
		return x.soFar(ctx, r, failed)
	}
	if err := x.idle(r.Clean.Calls); err != nil {
		x.forget()
		return err
	}
	x.warn(r)
	if len(r.Found) > 0 {
		x.calm(ctx)
	}
	files, err := x.replays(r)
	if err != nil {
		return err
	}
	if r.Complete {
		x.forget()
	}
	if err := x.tell(ctx, r, files); err != nil {
		return err
	}
	return x.verdict(r)
}

// soFar tells what a search found before it failed or was interrupted, and returns how that ends it: it may be that it
// is never started again.
func (x *exploring) soFar(ctx context.Context, r explore.Result, failed error) error {
	if ctx.Err() != nil {
		r.Why = "interrupted"
	}
	if ctx.Err() != nil && (len(r.Found) == 0 || x.o.json) { // else the last line says so
		fmt.Fprintf(x.Err, "interrupted after %s: the same command goes on from there\n", count(r.Counts.Runs, "run"))
	}
	if len(r.Found) == 0 {
		return failed
	}
	files, err := x.replays(r)
	if err == nil {
		err = x.tell(ctx, r, files)
	}
	if err != nil {
		return err
	}
	return failed
}

// tellMost is how long the traces of what was found are asked for.
const tellMost = 10 * time.Second

// tell prints what was found, also where ctx has ended.
func (x *exploring) tell(ctx context.Context, r explore.Result, files []string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), tellMost)
	defer cancel()
	if !x.o.json {
		x.show(ctx, r, files)
		return nil
	}
	return writeJSON(x.Out, "explored", struct {
		explore.Result
		Files []string `json:"files,omitempty"`
	}{r, files})
}

// interrupted ends the process as the signal asks that ended ctx. The command itself said what there is to say.
func interrupted(ctx context.Context) error {
	if sig := (*signalled)(nil); errors.As(context.Cause(ctx), &sig) {
		return silent(sig.code())
	}
	return silent(exitInterrupt)
}

// failure is how a search ends that got no answer, or nil.
func (x *exploring) failure(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return interrupted(ctx)
	case errors.Is(err, explore.ErrUnsteady):
		return &codedError{err, experiment.Unsteady.Code(), "bring the fleet to its steady state first; `msctl chaos list` shows faults that act"}
	case err != nil:
		return &codedError{err, experiment.Broken.Code(), ""}
	}
	return nil
}

// verdict is how a search ends that got one.
func (x *exploring) verdict(r explore.Result) error {
	switch {
	case len(r.Found) > 0:
		return silent(experiment.Deviated.Code())
	case !r.Complete:
		return silent(exitIncomplete)
	}
	return nil
}

// do searches with progress; keep gets each run that is made.
func (x *exploring) do(ctx context.Context, s *explore.Search, keep func(explore.Past) error) (explore.Result, error) {
	var lost error
	at := &pace{most: x.o.runs}
	if x.o.budget > 0 {
		at.end = time.Now().Add(x.o.budget)
	}
	s.Made = func(p explore.Past) {
		at.ran(p)
		if err := keep(p); err != nil && lost == nil {
			lost = err
		}
	}
	s.Progress = func(p explore.Progress) { at.note(time.Now(), p) }
	stop := x.progress(ctx, "exploring", func(context.Context) string { return at.String() })
	defer stop()
	limited, cancel := explore.Budget(ctx, x.o.budget)
	defer cancel()
	r, err := s.Do(limited)
	if limited.Err() != nil && ctx.Err() == nil && err != nil {
		r.Why, err = "the time is over", nil
	}
	return r, errors.Join(err, lost)
}

// brief is a set on one line: "omit orders:payments Capture".
func brief(s explore.Set) string {
	var words []string
	for _, f := range s {
		word := f.Mode + " " + f.Edge + " " + f.Op[strings.LastIndex(f.Op, "/")+1:]
		if !strings.Contains(f.Op, ".") {
			word = f.Mode + " " + f.Edge + " " + f.Op
		}
		if f.Nth > 1 {
			word += fmt.Sprintf(" #%d", f.Nth)
		}
		words = append(words, word)
	}
	return strings.Join(words, " + ")
}

// replays writes an experiment for each set that was found.
func (x *exploring) replays(r explore.Result) (files []string, err error) {
	for i, f := range r.Found {
		file := x.o.output
		if i > 0 {
			ext := filepath.Ext(file)
			file = fmt.Sprintf("%s-%d%s", strings.TrimSuffix(file, ext), i+1, ext)
		}
		why := "Found by msctl chaos explore. It breaks: " + strings.Join(f.Run.Broken, "; ")
		if err := os.WriteFile(x.absolute(file), x.plot.write(brief(f.Set), why, f.Run.Trace, f.Set), 0o644); err != nil {
			return files, fmt.Errorf("write experiment: %w", err)
		}
		files = append(files, file)
	}
	return files, nil
}
