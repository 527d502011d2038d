package stack

import (
	"bytes"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/joho/godotenv"
)

// envFiles puts the variables of a service's env files before its own, which win.
func (l *loader) envFiles(d *serviceDraft) {
	var all []Var
	for _, f := range d.envFiles {
		all = append(all, l.envFile(f)...)
	}
	d.Env = lastOfEach(append(all, d.Env...))
}

// lastOfEach keeps the last variable of each name, at the place of the first.
func lastOfEach(vars []Var) []Var {
	var out []Var
	place := map[string]int{}
	for _, v := range vars {
		if at, there := place[v.Name]; there {
			out[at] = v
			continue
		}
		place[v.Name] = len(out)
		out = append(out, v)
	}
	return out
}

func (l *loader) envFile(f spot) []Var {
	text, err := readFile(l.absolute(f.Name), maxBytes+1)
	switch {
	case err != nil:
		l.fail(f.Pos, "", "env_file: %v", err)
		return nil
	case len(text) > maxBytes:
		l.fail(f.Pos, "", "env_file %s has more than %d bytes", shorten(f.Name), maxBytes)
		return nil
	case bytes.ContainsRune(text, 0) || !utf8.Valid(text):
		l.fail(f.Pos, "save it as UTF-8", "env_file %s holds a NUL byte or is not UTF-8", shorten(f.Name))
		return nil
	}
	values, err := literalEnv(string(text))
	if err != nil {
		l.fail(f.Pos, "", "env_file %s: %s", shorten(f.Name), why(err))
		return nil
	}
	return l.envVars(f, string(text), values)
}

// why leaves away what godotenv quotes of the file, which may be secret.
func why(err error) string {
	if strings.HasPrefix(err.Error(), "unterminated quoted value") {
		return "a quote is not closed"
	}
	return "a line is not NAME=value"
}

// literalEnv reads NAME=value lines. godotenv replaces $NAME in values; here a dollar is a dollar, so
// it is hidden from godotenv behind a character that the file does not have.
func literalEnv(text string) (map[string]string, error) {
	hidden := rune(0xe000)
	for strings.ContainsRune(text, hidden) {
		hidden++
	}
	values, err := godotenv.Unmarshal(strings.ReplaceAll(text, "$", string(hidden)))
	if err != nil {
		return nil, err
	}
	for k, v := range values {
		values[k] = strings.ReplaceAll(v, string(hidden), "$")
	}
	return values, nil
}

var envLine = regexp.MustCompile(`(?m)^[ \t]*(?:export[ \t]+)?([A-Za-z0-9_.]+)[ \t]*[=:]`)

// envVars gives the values their places and the order of the file.
func (l *loader) envVars(f spot, text string, values map[string]string) []Var {
	file := f.Name
	if !filepath.IsAbs(file) {
		file = filepath.Join(filepath.Dir(l.files[0].shown), file)
	}
	line := map[string]int{}
	for _, m := range envLine.FindAllStringSubmatchIndex(text, -1) {
		line[text[m[2]:m[3]]] = 1 + strings.Count(text[:m[0]], "\n")
	}
	var out []Var
	for name, value := range values {
		pos := Pos{file, max(1, line[name]), 1}
		if !varRule.MatchString(name) {
			l.fail(pos, varHint, "%s is not a good name for a variable", shorten(name))
			continue
		}
		if len(value) > maxVariable {
			l.fail(pos, "", "variable %s has more than %d bytes", name, maxVariable)
			continue
		}
		out = append(out, Var{Name: name, Value: value, Literal: true, Pos: pos})
	}
	slices.SortFunc(out, func(a, b Var) int {
		if a.Pos.Line != b.Pos.Line {
			return a.Pos.Line - b.Pos.Line
		}
		return strings.Compare(a.Name, b.Name)
	})
	return out
}
