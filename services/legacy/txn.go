package main

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// The operations of a transaction.
const (
	sale   = "SALE"   // takes money
	refund = "REFUND" // gives all of it back
	inq    = "INQ"    // asks what became of a sale
)

// The response codes, those of card payments (ISO 8583).
const (
	rcDone       = "00"
	rcCard       = "14" // no such card
	rcUnknown    = "25" // no sale of that reference
	rcUnreadable = "30"
	rcFunds      = "51" // insufficient funds
	rcLater      = "91"
	rcReused     = "94" // the reference is another amount's
)

const maxTxn = 512 // bytes

// txn is one line of the bank's protocol:
//
//	OP=SALE|REF=o-1|AMT=000000001999|CCY=978|PAN=tok_ok
//
// Fields may come in any order. AMT, CCY and PAN are a sale's alone.
type txn struct {
	op, ref, pan string
	amount       int64 // in cents
}

var (
	refForm    = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$`)
	amountForm = regexp.MustCompile(`^[0-9]{12}$`)
	panForm    = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)
)

// parse reads a line, which may end in CR LF.
func parse(line string) (txn, error) {
	if len(line) > maxTxn {
		return txn{}, fmt.Errorf("read transaction: over %d bytes", maxTxn)
	}
	fields, err := split(strings.TrimRight(line, "\r\n"))
	if err != nil {
		return txn{}, err
	}
	t := txn{op: fields["OP"], ref: fields["REF"], pan: fields["PAN"]}
	wanted := 2
	switch t.op {
	case sale:
		wanted = 5
		if !amountForm.MatchString(fields["AMT"]) || fields["CCY"] != "978" || !panForm.MatchString(t.pan) {
			return txn{}, fmt.Errorf("read transaction: a sale needs AMT of 12 digits, CCY 978 and PAN")
		}
		t.amount, err = strconv.ParseInt(fields["AMT"], 10, 64)
	case refund, inq:
	default:
		return txn{}, fmt.Errorf("read transaction: operation %q is not known", t.op)
	}
	if err != nil || !refForm.MatchString(t.ref) || len(fields) != wanted {
		return txn{}, fmt.Errorf("read transaction: REF is not one, or a field is too many")
	}
	return t, nil
}

// split cuts KEY=value|KEY=value into its fields, each of which is there once.
func split(line string) (map[string]string, error) {
	fields := map[string]string{}
	for field := range strings.SplitSeq(line, "|") {
		key, value, ok := strings.Cut(field, "=")
		if _, twice := fields[key]; !ok || twice {
			return nil, fmt.Errorf("read transaction: %q is no field, or is there twice", field)
		}
		fields[key] = value
	}
	return fields, nil
}

// String writes the line that parse reads.
func (t txn) String() string {
	line := "OP=" + t.op + "|REF=" + t.ref
	if t.op == sale {
		line += fmt.Sprintf("|AMT=%012d|CCY=978|PAN=%s", t.amount, t.pan)
	}
	return line
}

// booking is what the bank keeps of a transaction, and answers.
type booking struct {
	Ref    string `json:"ref"`
	Op     string `json:"op"`     // SALE, REFUND
	Amount int64  `json:"amount"` // in cents
	RC     string `json:"rc"`     // it moved money where that is 00
	Txn    int64  `json:"txn"`    // 0: nothing was booked
}

// answer writes the booking as the bank's line.
func (b booking) answer() string {
	number := ""
	if b.Txn > 0 {
		number = fmt.Sprintf("T%09d", b.Txn)
	}
	return fmt.Sprintf("RC=%s|REF=%s|TXN=%s|AMT=%012d\r\n", b.RC, b.Ref, number, b.Amount)
}
