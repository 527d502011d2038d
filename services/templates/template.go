package main

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"msctl.dev/msctl/services/kit"
)

// Template is one version of what is said on some occasion.
type Template struct {
	ID        string    `json:"id"`
	Version   int64     `json:"version"` // 1 at first, one more with each change
	Variables []string  `json:"variables"`
	CreatedAt time.Time `json:"created_at"`
	Content
}

// Content is what a client says of a template.
type Content struct {
	Default   string                     `json:"default"`   // the language of last resort; "" is "en"
	Languages map[string]map[string]Text `json:"languages"` // language -> channel -> text
}

// Text is what goes out on one channel. Variables stand in it as {{name}}.
type Text struct {
	Subject string `json:"subject"`
	Body    string `json:"body"`
}

// channels are the ways that the fleet can reach somebody.
var channels = []string{"email", "push"}

var (
	languageForm = regexp.MustCompile(`^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$`)
	idForm       = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,63}$`)
	variable     = regexp.MustCompile(`\{\{\s*([a-z][a-z0-9_]*)\s*\}\}`)
)

// check fills in defaults and returns everything that is wrong.
func (c *Content) check() error {
	var bad kit.Invalid
	if c.Default == "" {
		c.Default = "en"
	}
	_, ok := c.Languages[c.Default]
	bad.Must(ok, "languages", fmt.Sprintf("has no text in the default language %q", c.Default))
	for _, language := range slices.Sorted(maps.Keys(c.Languages)) {
		texts := c.Languages[language]
		field := "languages." + language
		bad.Must(languageForm.MatchString(language), field, "is not a language tag such as de or pt-BR")
		bad.Must(len(texts) > 0, field, "has no channel")
		for _, channel := range slices.Sorted(maps.Keys(texts)) {
			texts[channel].check(&bad, field+"."+channel, channel)
		}
	}
	return bad.Err()
}

func (t Text) check(bad *kit.Invalid, field, channel string) {
	bad.Must(slices.Contains(channels, channel), field, "is none of "+strings.Join(channels, ", "))
	bad.Must(t.Subject != "", field+".subject", "is missing")
	bad.Must(t.Body != "", field+".body", "is missing")
	bad.Must(!strings.ContainsAny(t.Subject, "\r\n"), field+".subject", "has more than one line")
	for part, text := range map[string]string{".subject": t.Subject, ".body": t.Body} {
		rest := variable.ReplaceAllString(text, "")
		bad.Must(!strings.Contains(rest, "{{") && !strings.Contains(rest, "}}"), field+part,
			"has braces that are no variable such as {{name}}")
	}
}

// variables lists the names that stand in any of the texts, sorted.
func (c Content) variables() []string {
	names := map[string]bool{}
	for _, texts := range c.Languages {
		for _, t := range texts {
			for _, name := range t.variables() {
				names[name] = true
			}
		}
	}
	return slices.AppendSeq([]string{}, slices.Values(slices.Sorted(maps.Keys(names))))
}

func (t Text) variables() []string {
	var names []string
	for _, found := range variable.FindAllStringSubmatch(t.Subject+" "+t.Body, -1) {
		names = append(names, found[1])
	}
	return names
}
