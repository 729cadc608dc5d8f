package policy

import (
	"cmp"
	"math"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// number is an integer, exactly, or else a floating-point number.
type number struct {
	whole   int64
	decimal float64
	isWhole bool
}

func parseNumber(s string) (number, bool) {
	if i, err := strconv.ParseInt(s, 10, 64); err == nil {
		return number{whole: i, decimal: float64(i), isWhole: true}, true
	}
	if s == "" || strings.Trim(s, "+-.0123456789eE") != "" {
		return number{}, false // ParseFloat also reads "inf", "0x1p3" and "1_0"
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsInf(f, 0) {
		return number{}, false
	}
	return number{decimal: f}, true
}

func (n number) compare(m number) int {
	if n.isWhole && m.isWhole {
		return cmp.Compare(n.whole, m.whole)
	}
	return cmp.Compare(n.decimal, m.decimal)
}

// dateLayouts are the forms of https://www.w3.org/TR/NOTE-datetime, longest first.
// time.Parse takes fractions of a second with the first two.
var dateLayouts = [...]string{
	"2006-01-02T15:04:05Z07:00",
	"2006-01-02T15:04:05Z0700",
	"2006-01-02T15:04Z07:00",
	"2006-01-02T15:04:05",
	"2006-01-02",
	"2006-01",
	"2006",
}

// parseDate reads a date in one of ISO 8601's forms, or seconds since 1970.
func parseDate(s string) (time.Time, bool) {
	if len(s) != len("2006") {
		if seconds, err := strconv.ParseInt(s, 10, 64); err == nil {
			return time.Unix(seconds, 0), true
		}
	}
	for i := range dateLayouts {
		if len(s) < len(dateLayouts[i])-len("07:00") {
			continue // too short for this form; a failed time.Parse is dear
		}
		if t, err := time.Parse(dateLayouts[i], s); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}

// parsePrefix reads a CIDR block, or an address as the block of itself.
func parsePrefix(s string) (netip.Prefix, bool) {
	if prefix, err := netip.ParsePrefix(s); err == nil {
		if addr := prefix.Addr(); addr.Is4In6() && prefix.Bits() >= 96 {
			return netip.PrefixFrom(addr.Unmap(), prefix.Bits()-96), true
		}
		return prefix, true
	}
	addr, err := netip.ParseAddr(s)
	if err != nil || addr.Zone() != "" {
		return netip.Prefix{}, false
	}
	addr = addr.Unmap()
	return netip.PrefixFrom(addr, addr.BitLen()), true
}
