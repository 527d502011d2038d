package chaos

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"msctl.dev/msctl/internal/state"
)

// Words writes a fault as [Parse] reads it once a shell, or [Fields], has cut it into words.
func Words(f state.Fault) string {
	words := []string{shell(state.EdgeTitle(f.Target)), shell(doing(f))}
	add := func(key, value string) {
		if value != "" {
			words = append(words, shell(key+"="+quote(value)))
		}
	}
	for _, key := range slices.Sorted(maps.Keys(f.Match)) {
		add(matchWord(key, f.Match[key]), f.Match[key])
	}
	if f.Toxicity > 0 && f.Toxicity != 1 {
		add("toxicity", strconv.FormatFloat(f.Toxicity, 'g', -1, 64))
	}
	add("stream", f.Stream)
	if f.Seed != 0 {
		add("seed", strconv.FormatUint(f.Seed, 10))
	}
	if f.For != 0 {
		add("for", lasting(f.For))
	}
	add("lease", f.Lease)
	add("name", f.ID)
	return strings.Join(words, " ")
}

// lasting writes a duration as people do, and as [time.ParseDuration] reads it: 25h, and not 25h0m0s.
func lasting(d time.Duration) string {
	text := d.String()
	for _, nothing := range []string{"m0s", "h0m"} {
		if whole, ok := strings.CutSuffix(text, nothing); ok {
			text = whole + nothing[:1]
		}
	}
	return text
}

// doing is the kind with its parameters: "latency=300ms,jitter=50ms".
func doing(f state.Fault) string {
	parts := []string{f.Kind}
	k := Find(f.Kind)
	main := ""
	if k != nil && k.main() != nil {
		main = k.main().Name
	}
	if v, given := f.Params[main]; given {
		parts[0] += "=" + quote(v)
	}
	for _, key := range order(k, f.Params) {
		if key != main {
			parts = append(parts, key+"="+quote(f.Params[key]))
		}
	}
	return strings.Join(parts, ",")
}

// order is the names of parameters as the kind lists them, then all others.
func order(k *Kind, params map[string]string) []string {
	var out []string
	if k != nil {
		for _, p := range k.Params {
			if _, given := params[p.Name]; given {
				out = append(out, p.Name)
			}
		}
	}
	for _, key := range slices.Sorted(maps.Keys(params)) {
		if !slices.Contains(out, key) {
			out = append(out, key)
		}
	}
	return out
}

// matchWord is the shortest key that means the same.
func matchWord(key, value string) string {
	path := strings.HasPrefix(value, "/")
	if key == "path" && path || key == "operation" && !path {
		return "match"
	}
	return "match." + key
}

// Title says what a fault does, without where: "latency=300ms match=/charge toxicity=0.5".
func Title(f state.Fault) string {
	f.Target, f.Seed, f.For, f.Lease, f.ID = ":", 0, 0, "", ""
	_, rest, _ := strings.Cut(Words(f), " ")
	return rest
}

// shell puts a word in quotes where a shell would not leave it whole.
func shell(w string) string {
	odd := func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:=,+%@", r))
	}
	if w != "" && !strings.ContainsFunc(w, odd) {
		return w
	}
	return "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
}

// Fields cuts a line into words as a shell does: at spaces, but for those in quotes or behind a backslash.
// Nothing else means anything.
func Fields(line string) ([]string, error) {
	var words []string
	var word strings.Builder
	begun := false
	quote := byte(0)
	for i := 0; i < len(line); i++ {
		c := line[i]
		switch {
		case quote == 0 && (c == ' ' || c == '\t' || c == '\n'):
			if begun {
				words = append(words, word.String())
			}
			word.Reset()
			begun = false
			continue
		case c == quote:
			quote = 0
		case quote == 0 && (c == '\'' || c == '"'):
			quote = c
		case c == '\\' && quote != '\'' && i+1 < len(line) && (quote == 0 || line[i+1] == '"' || line[i+1] == '\\'):
			i++
			word.WriteByte(line[i])
		default:
			word.WriteByte(c)
		}
		begun = true
	}
	if quote != 0 {
		return nil, fmt.Errorf("read %q: a quote is not closed", line)
	}
	if begun {
		words = append(words, word.String())
	}
	return words, nil
}
