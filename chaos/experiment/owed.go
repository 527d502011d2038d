package experiment

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"
)

// owed is the inverse of a step that nothing but the run would undo: faults end with their lease, and a service that
// was stopped does not. It is on the disk, locked, from before the step until it is undone. The lock of a run that is
// killed ends with it, and [Heal] does what it owes.
type owed struct {
	Do       string `json:"do"` // "start" or "scale"
	Name     string `json:"name"`
	Replicas int    `json:"replicas,omitempty"` // of scale
}

func (o owed) String() string {
	if o.Do == "scale" {
		return fmt.Sprintf("scale %s=%d", o.Name, o.Replicas)
	}
	return o.Do + " " + o.Name
}

// debtor is an action that owes an inverse.
type debtor interface {
	owes(ctx context.Context, w *world) (owed, bool, error)
}

// owe writes down what undoes a step, before it is done. paid forgets it.
func (w *world) owe(ctx context.Context, a Action) (paid func(), err error) {
	paid = func() {}
	d, ok := a.(debtor)
	if !ok || w.Owed == "" {
		return paid, nil
	}
	o, owes, err := d.owes(ctx, w)
	if err != nil || !owes {
		return paid, err
	}
	f, err := w.note(o)
	if err != nil {
		return paid, cannotf("write down how it is undone: %w", err)
	}
	return func() {
		os.Remove(f.Name()) // heal would do it once more, which does no harm
		f.Close()
	}, nil
}

func (w *world) note(o owed) (*os.File, error) {
	if err := os.MkdirAll(w.Owed, 0o700); err != nil {
		return nil, err
	}
	w.mu.Lock()
	w.notes++
	name := fmt.Sprintf("%s-%06d.json", w.run, w.notes)
	w.mu.Unlock()
	f, err := os.OpenFile(filepath.Join(w.Owed, name), os.O_CREATE|os.O_EXCL|os.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(o)
	if err == nil {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	}
	if err == nil {
		_, err = f.Write(text)
	}
	if err != nil {
		os.Remove(f.Name())
		f.Close()
		return nil, err
	}
	return f, nil
}

// Left returns what runs owe that were killed, as "start mail"; dir is Owed of their site.
func Left(dir string) (all []string, err error) {
	err = left(dir, func(o owed, _ string) error { all = append(all, o.String()); return nil })
	return all, err
}

// Heal does what runs owe that were killed, the last first, and returns what that was. A nil fleet has ended: it is
// forgotten, for the next begins anew.
func Heal(ctx context.Context, dir string, fleet Fleet) (done []string, err error) {
	err = left(dir, func(o owed, file string) error {
		if fleet != nil {
			if err := o.pay(ctx, fleet); err != nil {
				return fmt.Errorf("%s, which an experiment owes: %w", o, err)
			}
			done = append(done, o.String())
		}
		return os.Remove(file)
	})
	return done, err
}

func (o owed) pay(ctx context.Context, fleet Fleet) error {
	ctx, cancel := context.WithTimeout(ctx, rollbackFor)
	defer cancel()
	switch o.Do {
	case "start":
		return fleet.Start(ctx, []string{o.Name})
	case "scale":
		return fleet.Scale(ctx, o.Name, o.Replicas)
	}
	return errors.New("nobody knows how that is done")
}

// left goes through what killed runs owe, the last first.
func left(dir string, each func(o owed, file string) error) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var failed []error
	for _, e := range slices.Backward(entries) {
		file := filepath.Join(dir, e.Name())
		o, free, err := readOwed(file)
		if err == nil && free {
			err = each(o, file)
		}
		if err != nil {
			failed = append(failed, err)
		}
	}
	return errors.Join(failed...)
}

// readOwed reads what is owed; free: the run has ended. What was written in part only was not done either.
func readOwed(file string) (o owed, free bool, err error) {
	f, err := os.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return o, false, nil // the run has undone it just now
	}
	if err != nil {
		return o, false, err
	}
	defer f.Close()
	if unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) != nil {
		return o, false, nil // the run goes on
	}
	text, err := io.ReadAll(io.LimitReader(f, 4<<10))
	if err != nil {
		return o, false, err
	}
	if json.Unmarshal(text, &o) != nil {
		return o, false, os.Remove(file)
	}
	return o, true, nil
}
