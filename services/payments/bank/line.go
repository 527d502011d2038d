package bank

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// What the bank writes: RC=00|REF=o-1|TXN=T000000007|AMT=000000001999. What it reads:
// OP=SALE|REF=o-1|AMT=000000001999|CCY=978|PAN=tok_ok, OP=REFUND|REF=o-1 and OP=INQ|REF=o-1.

const (
	maxLine   = 4 << 10
	maxAmount = 999_999_999_999 // twelve digits
)

var (
	refForm    = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$`)
	cardForm   = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)
	amountForm = regexp.MustCompile(`^[0-9]{12}$`)
)

// currencies are the bank's numbers of those that it takes (ISO 4217).
var currencies = map[string]string{"EUR": "978"}

// reasons are its response codes for a sale that will never be.
var reasons = map[string]string{"14": "unknown card", "51": "insufficient funds"}

func saleLine(s Sale) string {
	return fmt.Sprintf("OP=SALE|REF=%s|AMT=%012d|CCY=%s|PAN=%s", s.Order, s.Amount, currencies[s.Currency], s.Card)
}

func inquiryLine(order string) string { return "OP=INQ|REF=" + order }
func refundLine(order string) string  { return "OP=REFUND|REF=" + order }

// amountOf is what a line asks for.
func amountOf(line string) int64 {
	_, rest, _ := strings.Cut(line, "|AMT=")
	amount, _, _ := strings.Cut(rest, "|")
	n, _ := strconv.ParseInt(amount, 10, 64) // an inquiry has none
	return n
}

// reply is an answer of the bank.
type reply struct {
	code   string
	amount int64
}

// read reads an answer about order. One that is none, or is about another order, is an error.
func read(order, text string) (reply, error) {
	fields := map[string]string{}
	for field := range strings.SplitSeq(strings.TrimRight(text, "\r\n"), "|") {
		key, value, ok := strings.Cut(field, "=")
		if _, twice := fields[key]; !ok || twice {
			return reply{}, garbage(text)
		}
		fields[key] = value
	}
	if fields["REF"] != order || len(fields["RC"]) != 2 || !amountForm.MatchString(fields["AMT"]) {
		return reply{}, garbage(text)
	}
	amount, err := strconv.ParseInt(fields["AMT"], 10, 64)
	if err != nil {
		return reply{}, garbage(text)
	}
	return reply{fields["RC"], amount}, nil
}

// garbage says what was read instead of an answer.
func garbage(text string) error {
	return fmt.Errorf("read answer of the bank: %.60q", text)
}

// errLater is an answer that asks to try again.
var errLater = errors.New("the bank asks to try later")

// errReused is an answer that the order is known with another amount.
var errReused = errors.New("the bank knows the order with another amount")

// sold says what an answer to a sale or an inquiry means for s.
func (r reply) sold(s Sale) (Fact, error) {
	switch {
	case r.code == "00" && r.amount == s.Amount:
		return Fact{Outcome: Taken}, nil
	case r.code == "00" && r.amount == 0:
		return Fact{Outcome: Void}, nil
	case r.code == "00", r.code == "94":
		return Fact{}, errReused
	case r.code == "25":
		return Fact{Outcome: Unknown}, nil
	case reasons[r.code] != "":
		return Fact{Refused, reasons[r.code]}, nil
	}
	return Fact{}, r.other()
}

// returned says what an answer to a refund means for s.
func (r reply) returned(s Sale) (Fact, error) {
	switch {
	case r.code == "00" && r.amount == s.Amount:
		return Fact{Outcome: Returned}, nil
	case r.code == "00":
		return Fact{}, errReused
	case r.code == "25":
		return Fact{Outcome: Unknown}, nil
	}
	return Fact{}, r.other()
}

func (r reply) other() error {
	if r.code == "91" {
		return errLater
	}
	return fmt.Errorf("read answer of the bank: code %q means nothing here", r.code)
}
