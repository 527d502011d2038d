package main

import (
	"maps"
	"net/mail"
	"regexp"
	"slices"
	"strings"
	"time"

	"msctl.dev/msctl/services/kit"
)

// User is one person and how to reach them.
type User struct {
	ID        string             `json:"id"`
	Name      string             `json:"name"`
	Language  string             `json:"language"` // BCP 47: "de", "pt-BR"
	Channels  map[string]Channel `json:"channels"` // "email", "push"
	Version   int64              `json:"version"`  // 1 at first, one more with each change
	CreatedAt time.Time          `json:"created_at"`
	UpdatedAt time.Time          `json:"updated_at"`
}

// Channel is one way to reach a user, and whether they want it.
type Channel struct {
	On bool   `json:"on"`
	To string `json:"to"` // an e-mail address or a device's token
}

// Profile is what a client says of a user.
type Profile struct {
	Name     string             `json:"name"`
	Language string             `json:"language"` // "" is "en"
	Channels map[string]Channel `json:"channels"`
}

// channels are the ways that the fleet can reach somebody.
var channels = []string{"email", "push"}

var (
	languageForm = regexp.MustCompile(`^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$`)
	idForm       = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)
)

// check fills in defaults and returns everything that is wrong.
func (p *Profile) check() error {
	var bad kit.Invalid
	p.Name = strings.TrimSpace(p.Name)
	if p.Language == "" {
		p.Language = "en"
	}
	bad.Must(p.Name != "", "name", "is missing")
	bad.Must(len(p.Name) <= 200, "name", "is over 200 bytes")
	bad.Must(languageForm.MatchString(p.Language), "language", "is not a language tag such as de or pt-BR")
	for _, name := range slices.Sorted(maps.Keys(p.Channels)) {
		p.Channels[name].check(&bad, name)
	}
	return bad.Err()
}

func (c Channel) check(bad *kit.Invalid, name string) {
	field := "channels." + name
	bad.Must(slices.Contains(channels, name), field, "is none of "+strings.Join(channels, ", "))
	bad.Must(!c.On || c.To != "", field+".to", "is missing")
	bad.Must(len(c.To) <= 500, field+".to", "is over 500 bytes")
	if name == "email" && c.To != "" {
		a, err := mail.ParseAddress(c.To)
		bad.Must(err == nil && a.Address == c.To, field+".to", "is not an e-mail address")
	}
}
