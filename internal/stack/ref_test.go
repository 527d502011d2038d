package stack

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestExpand(t *testing.T) {
	known := map[string]string{
		"${users.url}": "http://127.0.0.1:1", "${orders.grpc.addr}": "127.0.0.1:2", "${self.port}": "3",
		"${env:HOME}": "/home/${env:HOME}", "${secret:key}": "$$ ${users.url} \n'\"",
	}
	lookup := func(r Ref) (string, error) { return known[r.String()], nil }
	tests := []struct{ in, want string }{
		{"", ""},
		{"plain", "plain"},
		{"${users.url}/x", "http://127.0.0.1:1/x"},
		{"a=${orders.grpc.addr};b=${self.port}", "a=127.0.0.1:2;b=3"},
		{"$$", "$"},
		{"$${users.url}", "${users.url}"},
		{"$$${users.url}", "$http://127.0.0.1:1"},
		{"100$ $HOME $(x) a$", "100$ $HOME $(x) a$"},
		{"${env:HOME}", "/home/${env:HOME}"},       // never interpolated twice
		{"${secret:key}", "$$ ${users.url} \n'\""}, // K4: byte for byte
	}
	for _, tt := range tests {
		got, err := Expand(Var{Name: "V", Value: tt.in}, lookup)
		if err != nil || got != tt.want {
			t.Errorf("Expand(%q) = %q, %v, want %q", tt.in, got, err, tt.want)
		}
	}
	literal := "${users.url} $$"
	if got, err := Expand(Var{Value: literal, Literal: true}, lookup); err != nil || got != literal {
		t.Errorf("literal is %q, %v, want %q", got, err, literal)
	}
}

func TestExpandTellsWhere(t *testing.T) {
	cause := errors.New("not there")
	v := Var{Name: "V", Value: "${secret:key}", Pos: Pos{"stack.yaml", 3, 9}}
	_, err := Expand(v, func(Ref) (string, error) { return "", cause })
	if !errors.Is(err, cause) {
		t.Errorf("error %v hides its cause", err)
	}
	if got, want := err.Error(), "stack.yaml:3:9: set V: not there"; got != want {
		t.Errorf("error is %q, want %q", got, want)
	}
}

func TestRefs(t *testing.T) {
	got, err := Var{Value: "${a.url} $${b.url} ${env:C} ${d.e.port} ${secret:f}"}.Refs()
	if err != nil {
		t.Fatal(err)
	}
	want := []Ref{
		{Name: "a", Parts: []string{"url"}}, {Scheme: SchemeEnv, Name: "C"},
		{Name: "d", Parts: []string{"e", "port"}}, {Scheme: SchemeSecret, Name: "f"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestExpandOnce: whatever a lookup returns stands in the result as it is (K4).
func TestExpandOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		value, before := rapid.String().Draw(t, "value"), rapid.StringMatching(`[a-z{}. ]*`).Draw(t, "before")
		got, err := Expand(Var{Value: before + "${secret:x}$$"}, func(Ref) (string, error) { return value, nil })
		if err != nil || got != before+value+"$" {
			t.Fatalf("got %q, %v, want %q", got, err, before+value+"$")
		}
	})
}

// TestDollarsEscape: a literal value written with doubled dollars expands to itself.
func TestDollarsEscape(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.StringMatching(`[$\{\}a-z.:]*`).Draw(t, "value")
		got, err := Expand(Var{Value: strings.ReplaceAll(value, "$", "$$")}, nil)
		if err != nil || got != value {
			t.Fatalf("got %q, %v, want %q", got, err, value)
		}
	})
}
