package main

import (
	"errors"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"msctl.dev/msctl/services/kit"
)

func texts(body string) map[string]Text {
	return map[string]Text{"email": {Subject: "Hi {{name}}", Body: body}}
}

var welcome = Template{ID: "welcome", Version: 3, Content: Content{
	Default: "en",
	Languages: map[string]map[string]Text{
		"en": {"email": {Subject: "Hi {{name}}", Body: "Welcome: {{ link }}"}, "push": {Subject: "Hi", Body: "there"}},
		"pt": texts("Bem-vindo: {{link}}"),
	},
}}

var values = map[string]string{"name": "Ana", "link": "https://x.example/{{name}}"}

// TestFallback walks from a language to wider ones and to the default.
func TestFallback(t *testing.T) {
	for _, c := range []struct{ channel, language, want string }{
		{"email", "pt", "pt"},
		{"email", "pt-BR", "pt"},
		{"email", "pt-Latn-BR", "pt"},
		{"email", "de-CH", "en"},
		{"email", "", "en"},
		{"push", "pt-BR", "en"}, // pt has no push
	} {
		got, err := welcome.render(c.channel, c.language, values)
		if err != nil || got.Language != c.want {
			t.Errorf("render(%s, %q) is in %q, %v, want %q", c.channel, c.language, got.Language, err, c.want)
		}
	}
}

func TestRender(t *testing.T) {
	got, err := welcome.render("email", "pt-BR", map[string]string{
		"name": "Ana\r\nBcc: all@x.example", "link": "https://x.example/{{name}}", "more": "1",
	})
	want := Rendered{Template: "welcome", Version: 3, Channel: "email", Language: "pt", Text: Text{
		Subject: "Hi Ana Bcc: all@x.example",             // one line
		Body:    "Bem-vindo: https://x.example/{{name}}", // filled in once
	}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("render: %v\n%s", err, diff)
	}
}

// TestMissing names every variable that is not given, at once.
func TestMissing(t *testing.T) {
	_, err := welcome.render("email", "en", nil)
	var p *kit.Problem
	if !errors.As(err, &p) || p.Status != 422 {
		t.Fatalf("render without variables: %v, want a 422", err)
	}
	got, want := slices.Sorted(maps.Keys(p.Errors)), []string{"variables.link", "variables.name"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestCheck(t *testing.T) {
	for name, c := range map[string]struct {
		content Content
		field   string
	}{
		"no default":  {Content{Languages: map[string]map[string]Text{"de": texts("b")}}, "languages"},
		"bad tag":     {Content{Languages: map[string]map[string]Text{"en": texts("b"), "EN_us": texts("b")}}, "languages.EN_us"},
		"bad channel": {Content{Languages: map[string]map[string]Text{"en": {"fax": {"s", "b"}}}}, "languages.en.fax"},
		"bad braces":  {Content{Languages: map[string]map[string]Text{"en": texts("see {{link}")}}, "languages.en.email.body"},
		"bad name":    {Content{Languages: map[string]map[string]Text{"en": texts("see {{a b}}")}}, "languages.en.email.body"},
		"two lines":   {Content{Languages: map[string]map[string]Text{"en": {"email": {"a\nb", "b"}}}}, "languages.en.email.subject"},
	} {
		var p *kit.Problem
		if err := c.content.check(); !errors.As(err, &p) || p.Errors[c.field] == "" {
			t.Errorf("%s: check is %v, want a problem with %s", name, err, c.field)
		}
	}
	ok := welcome.Content
	if err := ok.check(); err != nil {
		t.Errorf("check a good one: %v", err)
	}
}
