package main

import (
	"net/http"
	"time"
)

// both is what the versions of the API say of an order in the same words.
type both struct {
	ID        string    `json:"id"`
	Status    string    `json:"status"`
	Reason    string    `json:"reason"`
	Version   int64     `json:"version"`
	PlacedAt  time.Time `json:"placed_at"`
	UpdatedAt time.Time `json:"updated_at"`
}

// orderV1 is an order in the first version of the API: one currency for all amounts.
type orderV1 struct {
	both
	User     string `json:"user_id"`
	UserName string `json:"user_name"`
	Total    int64  `json:"total"`
	Currency string `json:"currency"`
	Lines    []Line `json:"lines"`
}

// orderV2 is an order in the second version: amounts with their currency, and the saga's step.
type orderV2 struct {
	both
	Step  Step     `json:"step"`
	User  userV2   `json:"user"`
	Total Money    `json:"total"`
	Lines []lineV2 `json:"lines"`
}

type userV2 struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

type lineV2 struct {
	Item     string `json:"item_id"`
	Name     string `json:"name"`
	Quantity int64  `json:"quantity"`
	Price    Money  `json:"price"`
}

// shape is an order in the version of the API that the request asks for.
func shape(r *http.Request, n named) any {
	o := n.Order
	same := both{o.ID, o.status(), o.Undo.Reason, o.Version, o.PlacedAt, o.UpdatedAt}
	if r.Header.Get("API-Version") != "2" {
		return orderV1{same, o.Placed.User, n.user, o.total(), o.Placed.Currency, o.Placed.Lines}
	}
	v := orderV2{both: same, Step: o.Step, User: userV2{o.Placed.User, n.user},
		Total: Money{o.total(), o.Placed.Currency}}
	for _, l := range o.Placed.Lines {
		v.Lines = append(v.Lines, lineV2{l.Item, l.Name, l.Quantity, Money{l.Price, o.Placed.Currency}})
	}
	return v
}
