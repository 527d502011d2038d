package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"time"

	"msctl.dev/msctl/services/kit"
)

const (
	linesMost    = 50
	quantityMost = 1000
	totalMost    = 999_999_999_999 // in the smallest unit: what the bank can read
	catalogFor   = 2 * time.Second
)

var (
	idForm   = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)
	cardForm = regexp.MustCompile(`^tok_[A-Za-z0-9_-]{1,60}$`)
)

// Request is what a client asks for.
type Request struct {
	ID    string  `json:"id"`      // "" makes one
	User  string  `json:"user_id"` // "": the client
	Lines []Wants `json:"lines"`
	Card  string  `json:"card"` // a token of the bank
}

// Wants is one line of a request.
type Wants struct {
	Item     string `json:"item_id"`
	Quantity int64  `json:"quantity"`
}

// check returns everything that is wrong.
func (r Request) check() error {
	var bad kit.Invalid
	bad.Must(idForm.MatchString(r.ID), "id", "does not match "+idForm.String())
	bad.Must(idForm.MatchString(r.User), "user_id", "does not match "+idForm.String())
	bad.Must(cardForm.MatchString(r.Card), "card", "is no token such as tok_ok")
	bad.Must(len(r.Lines) > 0 && len(r.Lines) <= linesMost, "lines", fmt.Sprintf("are not 1 to %d", linesMost))
	seen := map[string]bool{}
	for i, l := range r.Lines {
		field := fmt.Sprintf("lines[%d].", i)
		bad.Must(idForm.MatchString(l.Item), field+"item_id", "does not match "+idForm.String())
		bad.Must(!seen[l.Item], field+"item_id", "has a line already")
		bad.Must(l.Quantity >= 1 && l.Quantity <= quantityMost, field+"quantity",
			fmt.Sprintf("is not from 1 to %d", quantityMost))
		seen[l.Item] = true
	}
	return bad.Err()
}

// content tells a repeated request from another under the same id.
func (r Request) content() (string, error) {
	data, err := json.Marshal(r)
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:]), err
}

// catalog is where names and prices come from.
type catalog struct{ client *kit.Client }

// price fills in names and prices as they are now, by one call. Items that catalog does not know
// are a 422, an absent catalog is a 503.
func (c catalog) price(ctx context.Context, r Request) (Body, error) {
	ctx, cancel := context.WithTimeout(ctx, catalogFor)
	defer cancel()
	var ids []string
	for _, l := range r.Lines {
		ids = append(ids, l.Item)
	}
	var out struct {
		Items []struct {
			ID    string `json:"id"`
			Name  string `json:"name"`
			Price Money  `json:"price"`
		} `json:"items"`
	}
	path := "/items?ids=" + url.QueryEscape(strings.Join(ids, ","))
	if err := c.client.JSON(ctx, "GET", path, nil, &out); err != nil {
		return Body{}, fmt.Errorf("%w: %v", kit.Unavailable("nobody knows the prices right now"), err)
	}
	items := map[string]Line{}
	b := Body{User: r.User}
	var bad kit.Invalid
	for _, it := range out.Items {
		items[it.ID] = Line{Item: it.ID, Name: it.Name, Price: it.Price.Amount}
		if b.Currency == "" {
			b.Currency = it.Price.Currency
		}
		bad.Must(it.Price.Currency == b.Currency, "lines", "have prices in more than one currency")
	}
	for i, l := range r.Lines {
		line, ok := items[l.Item]
		bad.Must(ok, fmt.Sprintf("lines[%d].item_id", i), "is not in the catalogue")
		bad.Must(line.Price <= totalMost, "lines", "cost too much")
		line.Quantity = l.Quantity
		b.Lines = append(b.Lines, line)
	}
	total := Order{Placed: b}.total()
	bad.Must(total > 0, "lines", "cost nothing")
	bad.Must(total <= totalMost, "lines", "cost too much")
	return b, bad.Err()
}
