package contracts_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"msctl.dev/msctl/contracts"
)

// FuzzParse reads anything: what it takes has names that are no paths, and is the same when it is written and
// read again (L6).
func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("testdata/*.json")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		body, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(body)
	}
	for _, text := range []string{
		`{}`, `[]`, `{"consumer":{"name":"a"},"provider":{"name":"b"}}`,
		`{"consumer":{"name":".."},"provider":{"name":"b"}}`,
		`{"consumer":{"name":"a"},"provider":{"name":"b"},"interactions":[{"description":"d","request":{"method":"get","path":"/","query":"%zz&a=1","body":null},"response":{"matchingRules":{"$.body":{"regex":"("}}}}]}`,
		`{"consumer":{"name":"a"},"provider":{"name":"b"},"interactions":[null],"metadata":{"pactSpecification":{"version":"4.0"}}}`,
		`{"consumer":{"name":"a"},"provider":{"name":"b"},"messages":[{"description":"m","contents":1e999,"metaData":{"contentType":[]}}]}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := contracts.Parse(data, contracts.Limits{})
		if err != nil {
			return
		}
		if name := p.FileName(); filepath.Base(name) != name || !filepath.IsLocal(name) {
			t.Errorf("%q is a path", name)
		}
		first := p.Canonical()
		again, err := contracts.Parse(first, contracts.Limits{})
		if err != nil {
			t.Fatalf("read what was written: %v\n%s", err, first)
		}
		if second := again.Canonical(); !bytes.Equal(first, second) {
			t.Errorf("written again it is\n%s\nand was\n%s", second, first)
		}
		if changes := contracts.Diff(p, again); len(changes) > 0 {
			t.Errorf("it differs from itself: %+v", changes)
		}
		for _, i := range p.Interactions {
			if i.Content != nil {
				i.Content.Body.Bytes() // it must not panic
			}
		}
	})
}
