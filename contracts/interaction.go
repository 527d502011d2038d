package contracts

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// wire is a V4 interaction of any kind.
type wire struct {
	Type           Kind            `json:"type"`
	Description    string          `json:"description"`
	ProviderStates []State         `json:"providerStates"`
	Pending        bool            `json:"pending"`
	Request        json.RawMessage `json:"request"`
	Response       json.RawMessage `json:"response"`
	Contents       *Body           `json:"contents"`
	Metadata       map[string]any  `json:"metadata"`
	Rules          json.RawMessage `json:"matchingRules"`
}

// read makes one interaction of its V4 JSON.
func read(values map[string]any, limits Limits) (Interaction, error) {
	tidy(values)
	raw, err := compact(values)
	if err != nil {
		return Interaction{}, err
	}
	var w wire
	if err := decode(raw, &w); err != nil {
		return Interaction{}, err
	}
	i := Interaction{Kind: w.Type, Description: w.Description, States: w.ProviderStates, Pending: w.Pending, Raw: raw}
	if err := i.check(values, limits); err != nil {
		return Interaction{}, err
	}
	return i, i.parts(w)
}

// tidy removes from V4 JSON what says nothing: the key that a library computes from the rest, and defaults.
func tidy(values map[string]any) {
	delete(values, "key")
	delete(values, "_id")
	if values["pending"] == false {
		delete(values, "pending")
	}
	for _, empty := range []string{"comments", "interactionMarkup", "pluginConfiguration", "providerStates"} {
		switch v := values[empty].(type) {
		case nil:
			delete(values, empty)
		case []any:
			if len(v) == 0 {
				delete(values, empty)
			}
		case map[string]any:
			if len(v) == 0 {
				delete(values, empty)
			}
		}
	}
}

func (i Interaction) check(values map[string]any, limits Limits) error {
	errs := []error{limits.text("description", i.Description)}
	for _, s := range i.States {
		errs = append(errs, limits.text("name of a state", s.Name))
	}
	for _, part := range []any{values, values["request"], values["response"]} {
		errs = append(errs, limits.rules(part))
	}
	return errors.Join(errs...)
}

// parts reads what the kind has.
func (i *Interaction) parts(w wire) error {
	switch i.Kind {
	case HTTP:
		i.Request, i.Response = &Request{}, &Response{}
		if err := decode(w.Request, i.Request); err != nil {
			return fmt.Errorf("request: %w", err)
		}
		if err := decode(w.Response, i.Response); err != nil {
			return fmt.Errorf("response: %w", err)
		}
		return i.Request.check()
	case Message:
		i.Content = &Content{w.Contents, w.Metadata, w.Rules}
		return nil
	case Call:
		i.Content = &Content{}
		if err := decode(w.Request, i.Content); err != nil {
			return fmt.Errorf("request: %w", err)
		}
		if len(w.Response) == 0 {
			return nil
		}
		if err := decode(w.Response, &i.Replies); err != nil {
			return fmt.Errorf("response: %w", err)
		}
		return nil
	}
	return fmt.Errorf("type %.60q is not known", string(i.Kind))
}

// check refuses a path that would lead the verifier to another machine or to a file.
func (r *Request) check() error {
	if !strings.HasPrefix(r.Path, "/") {
		return fmt.Errorf("path %.80q does not begin with /", r.Path)
	}
	if strings.ContainsFunc(r.Path+r.Method, unicode.IsControl) {
		return fmt.Errorf("method or path %.80q holds control characters", r.Path)
	}
	if r.Method == "" || strings.ContainsFunc(r.Method, func(c rune) bool { return !unicode.IsLetter(c) && c != '-' }) {
		return fmt.Errorf("method %.40q is no method", r.Method)
	}
	return nil
}

// rules checks every regular expression in the matchers and generators of one part.
func (l Limits) rules(part any) error {
	if replies, ok := part.([]any); ok {
		for _, one := range replies {
			if err := l.rules(one); err != nil {
				return err
			}
		}
	}
	values, _ := part.(map[string]any)
	return errors.Join(l.expressions(values["matchingRules"]), l.expressions(values["generators"]))
}

func (l Limits) expressions(v any) error {
	switch v := v.(type) {
	case []any:
		for _, one := range v {
			if err := l.expressions(one); err != nil {
				return err
			}
		}
	case map[string]any:
		for key, one := range v {
			expr, text := one.(string)
			if text && key == "regex" {
				if err := l.regex(expr); err != nil {
					return err
				}
			} else if err := l.expressions(one); err != nil {
				return err
			}
		}
	}
	return nil
}

// inOrder is the canonical order: requests, messages, calls; then by description and states.
func inOrder(a, b Interaction) int {
	kinds := []Kind{HTTP, Message, Call}
	return cmp.Or(
		cmp.Compare(slices.Index(kinds, a.Kind), slices.Index(kinds, b.Kind)),
		cmp.Compare(a.Key(), b.Key()),
	)
}

// DerivedComment is the comment of an interaction that was made of traffic, which no test wrote.
const DerivedComment = "derived"

// Derived reports an interaction that was made of traffic and still waits for a test.
func (i Interaction) Derived() bool {
	var w struct {
		Comments map[string]json.RawMessage `json:"comments"`
	}
	return i.Pending && json.Unmarshal(i.Raw, &w) == nil && w.Comments[DerivedComment] != nil
}
