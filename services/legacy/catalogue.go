package main

import (
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"msctl.dev/msctl/services/kit"
	"msctl.dev/msctl/services/kit/db"
)

// catalogue is what was there before the service of that name.
type catalogue struct{ store store }

// item is one as the old catalogue writes it.
type item struct {
	No    string `json:"ITEM_NO"`
	Title string `json:"TITLE"`
	Price string `json:"PRICE_EUR"` // "19,99"
}

var (
	itemForm  = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)
	priceForm = regexp.MustCompile(`^[0-9]{1,12},[0-9]{2}$`)
)

// read answers ?item=, or lists up to ?limit= behind ?after=.
func (c catalogue) read(w http.ResponseWriter, r *http.Request) error {
	if no := r.FormValue("item"); no != "" {
		i, err := scanItem(c.store.db.QueryRowContext(r.Context(),
			`SELECT no, title, price FROM items WHERE no = $1`, no))
		if errors.Is(err, sql.ErrNoRows) {
			return kit.NotFound("there is no item %q", no)
		}
		if err != nil {
			return err
		}
		kit.WriteJSON(w, http.StatusOK, i)
		return nil
	}
	limit, err := kit.Limit(r, 50, 200)
	if err != nil {
		return err
	}
	return c.list(w, r, limit)
}

func (c catalogue) list(w http.ResponseWriter, r *http.Request, limit int) error {
	items, err := db.Collect(scanItem)(c.store.db.QueryContext(r.Context(), `SELECT no, title, price FROM items
		WHERE no > $1 ORDER BY no LIMIT $2`, r.FormValue("after"), limit))
	if err != nil {
		return fmt.Errorf("list items: %w", err)
	}
	kit.WriteJSON(w, http.StatusOK, map[string]any{"ITEMS": items})
	return nil
}

func scanItem(row db.Row) (item, error) {
	var i item
	var cents int64
	if err := row.Scan(&i.No, &i.Title, &cents); err != nil {
		return i, fmt.Errorf("read item: %w", err)
	}
	i.Price = euros(cents)
	return i, nil
}

// write adds an item, or changes the one that is there.
func (c catalogue) write(w http.ResponseWriter, r *http.Request) error {
	var i item
	if err := kit.Read(r, &i); err != nil {
		return err
	}
	var bad kit.Invalid
	bad.Must(itemForm.MatchString(i.No), "ITEM_NO", "must match "+itemForm.String())
	bad.Must(i.Title != "" && len(i.Title) <= 500, "TITLE", "is missing or over 500 bytes")
	bad.Must(priceForm.MatchString(i.Price), "PRICE_EUR", `is not of the form "19,99"`)
	if err := bad.Err(); err != nil {
		return err
	}
	cents, err := strconv.ParseInt(strings.Replace(i.Price, ",", "", 1), 10, 64)
	if err != nil {
		return fmt.Errorf("read price: %w", err)
	}
	err = c.store.db.Tx(r.Context(), func(tx *db.Tx) error {
		_, err := tx.ExecContext(r.Context(), `INSERT INTO items (no, title, price) VALUES ($1, $2, $3)
			ON CONFLICT (no) DO UPDATE SET title = excluded.title, price = excluded.price`,
			i.No, i.Title, cents)
		return err
	})
	if err != nil {
		return fmt.Errorf("write item %s: %w", i.No, err)
	}
	i.Price = euros(cents)
	kit.WriteJSON(w, http.StatusOK, i)
	return nil
}
