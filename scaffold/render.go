package scaffold

import (
	"bytes"
	"errors"
	"fmt"
	"go/format"
	"maps"
	"path"
	"slices"
	"strings"

	"msctl.dev/msctl/scaffold/stub"
)

// Output is one file that is to be written, below the stack's folder.
type Output struct {
	Path string // with slashes
	Data []byte
	Exec bool
}

// Render makes the files of a template for these values, in the order of their paths. It touches nothing.
func Render(t *Template, v Values) ([]Output, error) {
	v, err := t.complete(v)
	if err != nil {
		return nil, err
	}
	var out []Output
	for _, f := range t.Files {
		if f.When != "" {
			yes, err := execute("when", condition(f.When), v)
			if err != nil {
				return nil, err
			}
			if len(yes) == 0 {
				continue
			}
		}
		made, err := t.file(f, v)
		if err != nil {
			return nil, err
		}
		out = append(out, made...)
	}
	slices.SortStableFunc(out, func(a, b Output) int { return strings.Compare(a.Path, b.Path) })
	return out, checkOutputs(out)
}

// complete adds what is not said, and refuses what is wrong. Nothing is rendered with values that were not
// checked.
func (t *Template) complete(v Values) (Values, error) {
	v.Params = t.withDefaults(v.Params)
	if err := v.checkParams(t); err != nil {
		return v, err
	}
	v, err := t.withEvents(v)
	if err != nil {
		return v, err
	}
	return v, v.check(t)
}

func (t *Template) withDefaults(given map[string]string) map[string]string {
	all := map[string]string{}
	for _, p := range t.Params {
		if p.Default != "" || p.Pattern != "" && p.Accepts("") == nil {
			all[p.Name] = p.Default
		}
	}
	for name, value := range given {
		all[name] = value
	}
	return all
}

// file renders one entry of the manifest: a file, or all that is in a folder.
func (t *Template) file(f File, v Values) ([]Output, error) {
	to, err := execute("to", f.To, v)
	if err != nil {
		return nil, err
	}
	var out []Output
	for _, c := range t.under(f.From) {
		target := string(to)
		if rest := strings.TrimPrefix(strings.TrimPrefix(c.name, path.Clean(f.From)), "/"); rest != "" {
			target = path.Join(target, strings.TrimSuffix(rest, suffix))
		}
		if strings.Contains(string(to), "..") {
			return nil, CheckPath(string(to)) // joined, it could look harmless
		}
		data := c.data
		if strings.HasSuffix(c.name, suffix) {
			if data, err = execute(c.name, string(c.data), v); err != nil {
				return nil, err
			}
		}
		if path.Ext(target) == ".go" { // conditions leave blanks that gofmt would not
			if data, err = format.Source(data); err != nil {
				return nil, fmt.Errorf("render %s: %w", c.name, err)
			}
		}
		out = append(out, Output{Path: target, Data: data, Exec: f.Exec})
		if f.Stub && path.Ext(target) == ".proto" {
			made, err := stub.Make(target, data)
			if err != nil {
				return nil, fmt.Errorf("render %s: %w", c.name, err)
			}
			for _, name := range slices.Sorted(maps.Keys(made)) {
				out = append(out, Output{Path: name, Data: made[name]})
			}
		}
	}
	return out, nil
}

// execute renders one text, of at most maxFile bytes.
func execute(name, text string, v Values) ([]byte, error) {
	t, err := parseText(name, text)
	if err != nil {
		return nil, fmt.Errorf("read %w", err)
	}
	var out bounded
	if err := t.Execute(&out, v); err != nil {
		return nil, fmt.Errorf("render %w", err)
	}
	return out.Bytes(), nil
}

// bounded refuses to grow over maxFile.
type bounded struct{ bytes.Buffer }

func (b *bounded) Write(p []byte) (int, error) {
	if b.Len()+len(p) > maxFile {
		return 0, errors.New("it becomes over 1 MiB")
	}
	return b.Buffer.Write(p)
}

// checkOutputs refuses paths that are not for a template, and two that are one on some system.
func checkOutputs(out []Output) error {
	seen := map[string]string{} // by small letters, folders too
	for _, o := range out {
		if err := CheckPath(o.Path); err != nil {
			return err
		}
		for at := o.Path; at != "."; at = path.Dir(at) {
			fold := strings.ToLower(at)
			before, known := seen[fold]
			if known && (before != at || at == o.Path) {
				return fmt.Errorf("write %q: %q is the same file where the case of letters does not count", at, before)
			}
			seen[fold] = at
		}
	}
	for _, o := range out {
		for _, other := range out {
			if strings.HasPrefix(strings.ToLower(other.Path), strings.ToLower(o.Path)+"/") {
				return fmt.Errorf("write %q: it would be a file and a folder", o.Path)
			}
		}
	}
	return nil
}
