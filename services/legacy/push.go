package main

import (
	"fmt"
	"net/http"
	"strings"

	"msctl.dev/msctl/services/kit"
	"msctl.dev/msctl/services/kit/db"
)

// pushesKept is how many pushes are remembered.
const pushesKept = 1000

// pushes plays the provider that the service push calls. It takes each Idempotency-Key once and
// refuses devices whose name begins with "gone".
type pushes struct{ store store }

type push struct {
	ID     string `json:"id"`
	Device string `json:"device"`
	Title  string `json:"title"`
	Body   string `json:"body"`
}

func (p pushes) send(w http.ResponseWriter, r *http.Request) error {
	var in struct{ Device, Title, Body string }
	if err := kit.Read(r, &in); err != nil {
		return err
	}
	if strings.HasPrefix(in.Device, "gone") {
		return kit.Errorf(http.StatusGone, "gone", "the device is gone")
	}
	id := r.Header.Get("Idempotency-Key")
	if id == "" {
		id = kit.NewID()
	}
	err := p.store.db.Tx(r.Context(), func(tx *db.Tx) error {
		_, err := tx.ExecContext(r.Context(), `INSERT INTO pushes (place, id, device, title, body)
			SELECT COALESCE(MAX(place), 0) + 1, $1, $2, $3, $4 FROM pushes WHERE TRUE
			ON CONFLICT (id) DO NOTHING`, id, in.Device, in.Title, in.Body)
		if err != nil {
			return fmt.Errorf("keep push %s: %w", id, err)
		}
		_, err = tx.ExecContext(r.Context(), `DELETE FROM pushes
			WHERE place <= (SELECT MAX(place) FROM pushes) - $1`, pushesKept)
		return err
	})
	if err != nil {
		return err
	}
	kit.WriteJSON(w, http.StatusCreated, map[string]string{"id": id})
	return nil
}

// deliveries answers what was taken, oldest first.
func (p pushes) deliveries(w http.ResponseWriter, r *http.Request) error {
	list, err := db.Collect(func(row db.Row) (d push, err error) {
		return d, row.Scan(&d.ID, &d.Device, &d.Title, &d.Body)
	})(p.store.db.QueryContext(r.Context(), `SELECT id, device, title, body FROM pushes ORDER BY place`))
	if err != nil {
		return fmt.Errorf("list pushes: %w", err)
	}
	kit.WriteJSON(w, http.StatusOK, map[string]any{"deliveries": list})
	return nil
}
