package experiment

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// TestOwed holds what a run that is killed owes against what is done for it: the last first, and once. What a run owes
// that goes on is its own, and what was written in part was not done.
func TestOwed(t *testing.T) {
	s, f := site(t, nil)
	s.Owed = filepath.Join(t.TempDir(), "owed")
	killed, goes := newWorld(s, 1), newWorld(s, 1)
	for _, name := range []string{"mail", "shop"} {
		file, err := killed.note(owed{Do: "start", Name: name})
		if err != nil {
			t.Fatal(err)
		}
		file.Close() // as the end of a process does
	}
	if err := os.WriteFile(filepath.Join(s.Owed, "half.json"), []byte(`{"do": "sta`), 0o600); err != nil {
		t.Fatal(err)
	}
	paid, err := goes.owe(t.Context(), &operation{verb: "stop", name: "bank"})
	if err != nil {
		t.Fatal(err)
	}
	if all, err := Left(s.Owed); err != nil || !slices.Equal(all, []string{"start shop", "start mail"}) {
		t.Errorf("left: %v, %v", all, err)
	}
	refuses := refusing{f}
	if done, err := Heal(t.Context(), s.Owed, refuses); len(done) > 0 || err == nil {
		t.Errorf("a fleet that refuses: %v, %v", done, err)
	}
	if done, err := Heal(t.Context(), s.Owed, f); err != nil || !slices.Equal(done, []string{"start shop", "start mail"}) || f.story() != "start shop, start mail" {
		t.Errorf("healed: %v, %v, %s", done, err, f.story())
	}
	paid()
	if left, err := os.ReadDir(s.Owed); err != nil || len(left) > 0 {
		t.Errorf("%d files are left, %v", len(left), err)
	}
}

// refusing is a fleet that starts nothing.
type refusing struct{ *fleet }

func (refusing) Start(context.Context, []string) error { return errors.New("no") }

// TestRunOwesNothing stops a service in a run that ends by itself: nothing is owed behind it.
func TestRunOwesNothing(t *testing.T) {
	s, f := site(t, nil)
	s.Owed = filepath.Join(t.TempDir(), "owed")
	j := Runner{Site: s}.Run(t.Context(), parse(t, `title: x
faults: [{at: 0s, stop: shop}]
after: [{http: GET shop/items}]
`))
	if left, err := os.ReadDir(s.Owed); err != nil || len(left) > 0 {
		t.Errorf("%d files are left, %v", len(left), err)
	}
	if j.Verdict != Held || f.story() != "stop shop, start shop" {
		t.Errorf("%s: %s, %s", j.Verdict, j.Reason, f.story())
	}
}
