package stack

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

// FuzzLoad: any text is answered, a mistake has a place, and what loads loads again from what Format
// makes of it (E4).
func FuzzLoad(f *testing.F) {
	seeds, err := filepath.Glob("testdata/v1/*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range seeds {
		text, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	ar, err := txtar.ParseFile("testdata/errors.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for i := 0; i < len(ar.Files); i += 2 {
		f.Add(ar.Files[i].Data)
	}
	dir, err := filepath.Abs("testdata/v1")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		begin := time.Now()
		st, err := loadText(dir, text)
		if d := time.Since(begin); d > 10*time.Second {
			t.Errorf("answered after %v", d)
		}
		if err != nil {
			checkPlaces(t, err)
			return
		}
		formatted := st.Format(false)
		st.Format(true)
		st.JSON(true)
		st.Order()
		again, err := loadText(dir, formatted)
		if err != nil {
			t.Fatalf("formatted:\n%s\n%v", formatted, err)
		}
		if diff := cmp.Diff(st, again, sameMeaning()); diff != "" {
			t.Errorf("loaded again (-first +again):\n%s", diff)
		}
	})
}

// loadText loads text as the stack.yaml of dir.
func loadText(dir string, text []byte) (*Stack, error) {
	c := &collector{}
	root := parse(FileName, text, c)
	if err := c.result(nil); err != nil {
		return nil, err
	}
	l := &loader{collector: c, opts: LoadOptions{Kinds: kinds()}, languages: map[string]Language{},
		files: []file{{filepath.Join(dir, FileName), FileName}}}
	st := l.load(root)
	return st, c.result(nil)
}

func checkPlaces(t *testing.T, err error) {
	t.Helper()
	var all Errors
	if !errors.As(err, &all) {
		t.Fatalf("error is %T: %v", err, err)
	}
	for _, e := range all {
		if e.Pos.Line < 1 || e.Pos.Col < 1 {
			t.Errorf("%v has no place", e)
		}
		for _, r := range e.Msg + e.Hint {
			if unseen(r) {
				t.Errorf("%q has a control character", e.Msg)
			}
		}
	}
}

// FuzzSecrets: any file is read or refused, and what is read is quoted nowhere else.
func FuzzSecrets(f *testing.F) {
	for _, s := range []string{"a=b\n", "a='b\nc'\n", `a="\n\$"` + "\n", "#\n\nexport a=", "a='x' y"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		values, err := parseSecrets(text)
		if err != nil && values != nil {
			t.Errorf("values beside %v", err)
		}
		NewRedactor(text).Text(text)
	})
}
