package stack

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func secretsDir(t *testing.T, text string) string {
	t.Helper()
	return write(t, map[string]string{SecretsFile: text})
}

// TestSecrets: every value arrives byte for byte (K4).
func TestSecrets(t *testing.T) {
	big := strings.Repeat("k", 64<<10)
	text := "# a comment\n\nplain=a b#c $HOME ${x.url} 'q' \\n = \n" +
		"export API_KEY=v\n" +
		"single='a\"b\\n\n$c'\n" +
		`double="a\nb\t\"\\\$'` + "\n" + `"` + "  \r\n" +
		"big=" + big + "\nempty=\nlast=no line end"
	s, err := LoadSecrets(secretsDir(t, text), nil)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"plain": "a b#c $HOME ${x.url} 'q' \\n = ", "API_KEY": "v", "single": "a\"b\\n\n$c",
		"double": "a\nb\t\"\\$'\n", "big": big, "empty": "", "last": "no line end",
	}
	got := map[string]string{}
	for _, name := range s.Names() {
		if got[name], err = s.Lookup(name); err != nil {
			t.Error(err)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestSecretsMistakes: what is refused names its line and never its value.
func TestSecretsMistakes(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"no name", "a=1\ncanary", "line 2: write NAME=value"},
		{"bad name", "1a=canary", "line 1: write NAME=value"},
		{"open single", "a='x'\nb='canary", "line 2: the quote ' is not closed"},
		{"open double", "a=\"canary", "line 1: the quote \" is not closed"},
		{"escape", `a="canary\x"`, "line 1: a backslash in double quotes"},
		{"tail", "a='x' canary", "line 1: something follows the closing quote"},
		{"carriage return", "a=canary\r\nb=c\r\n", "line 1: the line ends in a carriage return"},
		{"NUL", "a='\n\n'\nb=canary\x00", "line 4: the value has a NUL byte"},
		{"too long", "a=" + strings.Repeat("canary", 20_000), "line 1: the value has a NUL byte or more than 100000 bytes"},
		{"twice", "a=1\na=canary", "line 2: the name is there twice"},
		{"huge", strings.Repeat("#canary\n", 200_000), "has more than 1048576 bytes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := LoadSecrets(secretsDir(t, tt.text), nil)
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "canary") {
				t.Errorf("error is %v, want %q", err, tt.want)
			}
		})
	}
}

func TestSecretsOfOthersAreRefused(t *testing.T) {
	dir := secretsDir(t, "a=1\n")
	if err := os.Chmod(filepath.Join(dir, SecretsFile), 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadSecrets(dir, nil); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("error is %v, want advice", err)
	}
}

func TestSecretsFromEnvironment(t *testing.T) {
	env := map[string]string{"MSCTL_SECRET_API_KEY": "from $env"}
	s, err := LoadSecrets(secretsDir(t, "api-key=file\n"), func(k string) string { return env[k] })
	if err != nil {
		t.Fatal(err)
	}
	if got, err := s.Lookup("api-key"); got != "from $env" {
		t.Errorf("secret is %q, %v", got, err)
	}
	if _, err := s.Lookup("none"); !errors.Is(err, ErrNoSecret) {
		t.Errorf("error is %v, want ErrNoSecret", err)
	}
}

func TestSecretsCheck(t *testing.T) {
	dir := write(t, map[string]string{
		FileName:    "version: 1\nservices:\n  a:\n    command: a\n    env: {A: \"${secret:here}\", B: \"x${secret:gone}\"}\n",
		SecretsFile: "here=canary\nother=canary2\n",
	})
	st := mustLoad(t, LoadOptions{Dir: dir})
	s, err := LoadSecrets(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := "stack.yaml:5:35: there is no secret \"gone\"\n\thint: put it into .msctl/secrets.env or MSCTL_SECRET_GONE"
	if got := s.Check(st); got == nil || got.Error() != want {
		t.Errorf("error is %v, want %s", got, want)
	}
	if got, want := s.Redactor(st).Text("canary canary2 canar"), "*** *** canar"; got != want {
		t.Errorf("redacted to %q, want %q", got, want)
	}
}

// TestRedactor: no form of a secret passes (K1).
func TestRedactor(t *testing.T) {
	secret := "pä$s \"w\"<o>/rd+1"
	quoted, _ := json.Marshal(secret)
	r := NewRedactor(secret, "pä$s", "line one is long\nshort\nline three is long", "abc", "")
	leaks := []string{
		secret, string(quoted), url.QueryEscape(secret), url.PathEscape(secret),
		base64.StdEncoding.EncodeToString([]byte(secret)), base64.RawURLEncoding.EncodeToString([]byte(secret)),
		"Basic " + base64.StdEncoding.EncodeToString([]byte("user:"+secret)),
		base64.StdEncoding.EncodeToString([]byte("ab" + secret + "xyz")),
		base64.StdEncoding.EncodeToString([]byte("abc" + secret + "x")),
		hex.EncodeToString([]byte(secret)), fmt.Sprintf("%X", secret),
		"line three is long",
	}
	middle := base64.RawStdEncoding.EncodeToString([]byte(secret[2 : len(secret)-4]))[4:12]
	for _, leak := range leaks {
		got := r.Text("<" + leak + ">")
		if !strings.Contains(got, Mask) || strings.Contains(got, "w\"") || strings.Contains(got, middle) {
			t.Errorf("%q is redacted to %q", leak, got)
		}
	}
	if got, want := r.Text("abc stays, short stays"), "abc stays, short stays"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := string((*Redactor)(nil).Bytes([]byte("x"))); got != "x" {
		t.Errorf("nil redacts to %q", got)
	}
}

// TestRedactorAnywhere puts any secret into any text, in any encoding.
func TestRedactorAnywhere(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		secret := rapid.StringMatching(`[A-Za-z0-9!"#$%&'<>/+ ]{12,40}`).Draw(t, "secret")
		around := rapid.StringMatching(`[a-z ]{0,9}`)
		text := around.Draw(t, "before") + secret + around.Draw(t, "after")
		r := NewRedactor(secret)
		if got := r.Text(text); strings.Contains(got, secret) || !strings.Contains(got, Mask) {
			t.Fatalf("raw: %q", got)
		}
		encoded := base64.StdEncoding.EncodeToString([]byte(text))
		if got := r.Text(encoded); !strings.Contains(got, Mask) {
			t.Fatalf("base64 of %q: %q", text, got)
		}
	})
}

// TestConfigMasks: one canary through every input of the file is not in what `msctl config` prints (K1).
func TestConfigMasks(t *testing.T) {
	dir := write(t, map[string]string{
		"app.env": "PLAIN=canary\n",
		FileName: `version: 1
resources:
  box: {type: container, image: x, command: [--password=canary, --token, canary], env: {ROOT_PASSWORD: canary}}
services:
  a:
    command: serve --password canary --db postgres://me:canary@host/db
    env_file: app.env
    env: {API_KEY: canary, URL: "https://me:canary@host", OK: "seen", REF: "postgres://me:${secret:a}@${box.host}/x"}
    health: {exec: [check, --api-key=canary]}
    tasks: {t: "psql postgres://me:canary@host"}
`})
	st := mustLoad(t, LoadOptions{Dir: dir})
	for _, out := range []string{string(st.Format(true)), string(st.JSON(true))} {
		if strings.Contains(out, "canary") || !strings.Contains(out, "seen") || !strings.Contains(out, "${secret:a}") {
			t.Errorf("masked config:\n%s", out)
		}
	}
	if got := strings.Count(string(st.Format(false)), "canary"); got != 10 {
		t.Errorf("%d canaries unmasked, want 10", got)
	}
	if got := len(st.Warnings); got != 3 {
		t.Errorf("%d warnings, want 3: %v", got, st.Warnings)
	}
	if !json.Valid(st.JSON(false)) || slices.Contains(st.JSON(false)[:len(st.JSON(false))-1], '\n') {
		t.Errorf("not one line of JSON: %s", st.JSON(false))
	}
}
