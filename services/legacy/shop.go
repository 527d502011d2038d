package main

import (
	"fmt"
	"hash/fnv"
	"net/http"
	"slices"
	"strconv"
	"time"

	"msctl.dev/msctl/services/kit"
)

// oldDate is how the monolith writes days: DD.MM.YYYY.
const oldDate = "02.01.2006"

// voucher takes some of a price off.
type voucher struct {
	Code    string `json:"CODE"`
	Percent int    `json:"PERCENT"`
	ValidTo string `json:"VALID_TO"`
}

var vouchers = []voucher{{"WELCOME10", 10, "31.12.2099"}, {"SUMMER5", 5, "30.09.2099"}}

func coupon(w http.ResponseWriter, r *http.Request) error {
	code := r.PathValue("code")
	i := slices.IndexFunc(vouchers, func(v voucher) bool { return v.Code == code })
	if i < 0 {
		return kit.NotFound("there is no coupon %q", code)
	}
	kit.WriteJSON(w, http.StatusOK, vouchers[i])
	return nil
}

// restock tells when the warehouse gets more of an item. It is slow, for some items more than others.
func restock(w http.ResponseWriter, r *http.Request) error {
	sum := fnv.New32a()
	fmt.Fprint(sum, r.PathValue("item"))
	n := int(sum.Sum32() % 1000)
	if kit.Pause(r.Context(), time.Duration(150+n%251)*time.Millisecond) != nil {
		return r.Context().Err()
	}
	kit.WriteJSON(w, http.StatusOK, map[string]string{
		"WHEN": time.Now().UTC().AddDate(0, 0, 1+n%14).Format(oldDate), "QTY": strconv.Itoa(10 + n%90)})
	return nil
}
