package main

import (
	"regexp"
	"strings"

	"msctl.dev/msctl/services/kit"
)

// Item is what a client is told of something to buy.
type Item struct {
	Facts
	Available *int64 `json:"available"` // nil: inventory did not tell of it
}

// Facts are what catalog itself knows of an item. It is the body of item.updated.
type Facts struct {
	ID string `json:"id"`
	Content
	Version int64 `json:"version"` // 1 at first, one more with each change
}

// Content is what a client says of an item.
type Content struct {
	Name        string `json:"name"`
	Description string `json:"description"`
	Price       Price  `json:"price"`
}

// Price is an amount of money.
type Price struct {
	Amount   int64  `json:"amount"`   // in the currency's smallest unit
	Currency string `json:"currency"` // "" is "EUR", and there is no other
}

const (
	currency  = "EUR"
	priceMost = 100_000_000
)

var idForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// checkID refuses an id that no item can have.
func checkID(id string) error {
	if !idForm.MatchString(id) {
		return kit.BadRequest("the id %q must match %s", id, idForm)
	}
	return nil
}

// check fills in defaults and returns everything that is wrong.
func (c *Content) check() error {
	var bad kit.Invalid
	c.Name = strings.TrimSpace(c.Name)
	if c.Price.Currency == "" {
		c.Price.Currency = currency
	}
	bad.Must(c.Name != "", "name", "is missing")
	bad.Must(len(c.Name) <= 200, "name", "is over 200 bytes")
	bad.Must(len(c.Description) <= 4000, "description", "is over 4000 bytes")
	bad.Must(c.Price.Amount > 0, "price.amount", "is not above 0")
	bad.Must(c.Price.Amount <= priceMost, "price.amount", "is over a million")
	bad.Must(c.Price.Currency == currency, "price.currency", "is not "+currency)
	return bad.Err()
}
