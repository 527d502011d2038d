package stack

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Mask is what stands in place of a secret.
const Mask = "***"

// minSecret is the length from which a value is masked. A shorter one is not found in text: it stands in
// half of any text by chance, which would become unreadable and, by what is missing from it, tell the
// value. Where a variable is shown by its name it is masked at any length.
const minSecret = 4

// Redactor masks known secret values in text: as they are, in base64, hexadecimal, URL-escaped and
// JSON-escaped. It is safe for concurrent use; nil and the zero value mask nothing.
type Redactor struct{ replacer *strings.Replacer }

// NewRedactor masks these values, and each longer line of one that has several: output comes in lines.
// Values under 4 bytes are left alone.
func NewRedactor(secrets ...string) *Redactor {
	var forms []string
	for _, s := range secrets {
		forms = append(forms, secretForms(s)...)
		if lines := strings.Split(s, "\n"); len(lines) > 1 {
			for _, line := range lines {
				if line = strings.TrimSuffix(line, "\r"); len(line) >= 2*minSecret && !strings.HasPrefix(line, "-----") {
					forms = append(forms, secretForms(line)...)
				}
			}
		}
	}
	slices.SortFunc(forms, func(a, b string) int { // of two that begin alike the longer wins
		return cmp.Or(cmp.Compare(len(b), len(a)), cmp.Compare(a, b))
	})
	var pairs []string
	for _, f := range slices.Compact(forms) {
		pairs = append(pairs, f, Mask)
	}
	if len(pairs) == 0 {
		return &Redactor{}
	}
	return &Redactor{strings.NewReplacer(pairs...)}
}

// secretForms returns the ways in which a secret shows up in text.
func secretForms(s string) []string {
	if len(s) < minSecret {
		return nil
	}
	quoted := strconv.Quote(s)
	forms := []string{s, url.QueryEscape(s), url.PathEscape(s), quoted[1 : len(quoted)-1]}
	forms = append(forms, jsonForms(s)...)
	digits := hex.EncodeToString([]byte(s))
	forms = append(forms, digits, strings.ToUpper(digits))
	for shift := range 3 {
		forms = append(forms, base64Forms(s, shift)...)
	}
	return slices.DeleteFunc(forms, func(f string) bool { return len(f) < minSecret })
}

func jsonForms(s string) []string {
	var out []string
	for _, html := range []bool{true, false} {
		var b bytes.Buffer
		enc := json.NewEncoder(&b)
		enc.SetEscapeHTML(html)
		if enc.Encode(s) == nil {
			text := strings.TrimSuffix(b.String(), "\n")
			out = append(out, text[1:len(text)-1])
		}
	}
	return out
}

// base64Forms returns what base64 makes of s when shift other bytes stand before it, without the
// characters that its neighbours share. Shift 0 is the secret alone.
func base64Forms(s string, shift int) []string {
	var out []string
	for _, enc := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		text := enc.EncodeToString(append(make([]byte, shift), s...))
		first := (shift*8 + 5) / 6        // characters that hold bits of what stands before
		whole := (shift + len(s)) * 8 / 6 // characters without bits of what follows
		if whole-first >= 2*minSecret {
			out = append(out, text[first:whole])
		}
		if shift == 0 {
			out = append(out, text)
		}
	}
	return out
}

// Text returns s with every secret masked.
func (r *Redactor) Text(s string) string {
	if r == nil || r.replacer == nil {
		return s
	}
	return r.replacer.Replace(s)
}

// Bytes returns b with every secret masked; b itself when there is none in it.
func (r *Redactor) Bytes(b []byte) []byte {
	if r == nil || r.replacer == nil {
		return b
	}
	text := string(b)
	masked := r.replacer.Replace(text)
	if masked == text {
		return b
	}
	return []byte(masked)
}
