package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sync/errgroup"

	"msctl.dev/msctl/services/kit"
)

// legacy is the old monolith. What it says of items is translated here, and nowhere else.
const legacy = "legacy"

// How legacy is asked for many items, as it knows only one at a time.
const (
	itemsMost   = 200
	itemsAtOnce = 8
)

// Item is an item as catalog tells it.
type Item struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	Description string `json:"description"`
	Price       Money  `json:"price"`
	Available   *int64 `json:"available"` // nil: not known, as always in legacy
	Version     int64  `json:"version"`   // 0: legacy has no versions
}

// Money is an amount in the currency's smallest unit.
type Money struct {
	Amount   int64  `json:"amount"`
	Currency string `json:"currency"`
}

// oldItem is an item as legacy tells it.
type oldItem struct {
	Number string `json:"ITEM_NO"`
	Title  string `json:"TITLE"`
	Price  string `json:"PRICE_EUR"` // "1.019,99"
}

// legacyItem answers one item of legacy.
func (g *gateway) legacyItem() http.Handler {
	return kit.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
		it, err := g.oldItem(r.Context(), r.PathValue("id"))
		if err != nil {
			return err
		}
		kit.WriteJSON(w, http.StatusOK, it)
		return nil
	})
}

// legacyItems answers many items of legacy, which lists them, but takes one id at a time.
func (g *gateway) legacyItems() http.Handler {
	return kit.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
		q := r.URL.Query()
		if !q.Has("ids") {
			return g.oldPage(w, r)
		}
		ids := idsOf(q.Get("ids"))
		if len(ids) > itemsMost {
			return kit.BadRequest("%d ids are over %d", len(ids), itemsMost)
		}
		items, missing, err := g.oldItems(r.Context(), ids)
		if err != nil {
			return err
		}
		kit.WriteJSON(w, http.StatusOK, map[string]any{"items": items, "missing": missing})
		return nil
	})
}

// idsOf reads a list such as "a,b": each id once, in the order given, as catalog does.
func idsOf(list string) []string {
	var ids []string
	for id := range strings.SplitSeq(list, ",") {
		if id != "" && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// oldPage answers ?after=&limit= from legacy's list.
func (g *gateway) oldPage(w http.ResponseWriter, r *http.Request) error {
	var out struct {
		Items []oldItem `json:"ITEMS"`
	}
	page := url.Values{"after": {r.FormValue("after")}, "limit": {r.FormValue("limit")}}
	if err := g.ask(r.Context(), legacy, "/catalogue.php?"+page.Encode(), &out); err != nil {
		return err
	}
	items := []Item{}
	for _, old := range out.Items {
		it, err := old.item()
		if err != nil {
			return err
		}
		items = append(items, it)
	}
	kit.WriteJSON(w, http.StatusOK, map[string]any{"items": items})
	return nil
}

// oldItems asks for each of the ids, and returns which of them there are none of.
func (g *gateway) oldItems(ctx context.Context, ids []string) (items []Item, missing []string, err error) {
	found := make([]Item, len(ids))
	all, ctx := errgroup.WithContext(ctx)
	all.SetLimit(itemsAtOnce)
	for i, id := range ids {
		all.Go(func() (err error) {
			found[i], err = g.oldItem(ctx, id)
			if p := (*kit.Problem)(nil); errors.As(err, &p) && p.Status == http.StatusNotFound {
				return nil
			}
			return err
		})
	}
	if err := all.Wait(); err != nil {
		return nil, nil, err
	}
	items, missing = []Item{}, []string{}
	for i, it := range found {
		if it.ID == "" {
			missing = append(missing, ids[i])
			continue
		}
		items = append(items, it)
	}
	return items, missing, nil
}

func (g *gateway) oldItem(ctx context.Context, id string) (Item, error) {
	var old oldItem
	err := g.ask(ctx, legacy, "/catalogue.php?item="+url.QueryEscape(id), &old)
	if err != nil {
		return Item{}, err
	}
	if old.Number == "" {
		return Item{}, kit.NotFound("there is no item %q", id)
	}
	return old.item()
}

// item translates.
func (o oldItem) item() (Item, error) {
	amount, err := cents(o.Price)
	if err != nil {
		return Item{}, errors.Join(kit.Errorf(http.StatusBadGateway, "bad-gateway",
			"legacy tells no price of item %q", o.Number), err)
	}
	return Item{ID: o.Number, Name: o.Title, Price: Money{amount, "EUR"}}, nil
}

var euros = regexp.MustCompile(`^(\d{1,3}(?:\.\d{3})*|\d+),(\d\d)$`)

// cents reads an amount as legacy writes it: "1.019,99" is 101999.
func cents(text string) (int64, error) {
	found := euros.FindStringSubmatch(strings.TrimSpace(text))
	if found == nil {
		return 0, fmt.Errorf("read price: %q is not one such as 19,99", text)
	}
	return strconv.ParseInt(strings.ReplaceAll(found[1], ".", "")+found[2], 10, 64)
}
