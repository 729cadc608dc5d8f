package ses

import (
	"context"
	"net/netip"

	api "github.com/tule-cloud/tule/api/ses"
	"github.com/tule-cloud/tule/store"
)

// maxFilters is how many an account may have.
const maxFilters = 100

// receiptFilters say from which addresses an account takes no mail, by their name.
var receiptFilters = store.NewTable[api.ReceiptFilter]("ses", "receipt-filter")

// prefixOf is the range of addresses of a filter.
func prefixOf(cidr string) (netip.Prefix, bool) {
	if p, err := netip.ParsePrefix(cidr); err == nil {
		return p.Masked(), true
	}
	a, err := netip.ParseAddr(cidr)
	if err != nil {
		return netip.Prefix{}, false
	}
	return netip.PrefixFrom(a, a.BitLen()), true
}

// blocked reports whether an account takes no mail from an address: the narrowest filter
// that means it decides.
func blocked(ctx context.Context, r store.Reader, scope store.Scope, from netip.Addr) (bool, error) {
	narrowest, block := -1, false
	for e, err := range receiptFilters.List(ctx, r, scope, store.ListOptions{}) {
		if err != nil {
			return false, err
		}
		p, ok := prefixOf(*e.Record.IpFilter.Cidr)
		if ok && p.Contains(from.Unmap()) && p.Bits() > narrowest {
			narrowest, block = p.Bits(), *e.Record.IpFilter.Policy == api.ReceiptFilterPolicyBlock
		}
	}
	return block, nil
}

func (s *Service) createReceiptFilter(ctx context.Context, in *api.CreateReceiptFilterRequest) (*api.CreateReceiptFilterResponse, error) {
	name := *in.Filter.Name
	if !receiptName.MatchString(name) {
		return nil, invalid("Invalid filter name: %s", name)
	}
	if _, ok := prefixOf(*in.Filter.IpFilter.Cidr); !ok {
		return nil, invalid("Invalid CIDR block: %s", *in.Filter.IpFilter.Cidr)
	}
	scope := scopeOf(ctx)
	return nil, s.Store.Update(ctx, func(tx store.Tx) error {
		n := 0
		for e, err := range receiptFilters.List(ctx, tx, scope, store.ListOptions{}) {
			if err != nil {
				return err
			}
			if n++; *e.Record.Name == name {
				return existsAlready("Receipt filter", name)
			}
		}
		if n >= maxFilters {
			return api.LimitExceededException("Maximum number of receipt filters reached: %d", maxFilters)
		}
		return receiptFilters.Put(tx, scope, *in.Filter, name)
	})
}

func (s *Service) deleteReceiptFilter(ctx context.Context, in *api.DeleteReceiptFilterRequest) (*api.DeleteReceiptFilterResponse, error) {
	return nil, s.Store.Update(ctx, func(tx store.Tx) error { return receiptFilters.Delete(tx, scopeOf(ctx), *in.FilterName) })
}

func (s *Service) listReceiptFilters(ctx context.Context, _ *api.ListReceiptFiltersRequest) (*api.ListReceiptFiltersResponse, error) {
	out := &api.ListReceiptFiltersResponse{Filters: []api.ReceiptFilter{}}
	return out, s.Store.View(ctx, func(r store.Reader) error {
		for e, err := range receiptFilters.List(ctx, r, scopeOf(ctx), store.ListOptions{}) {
			if err != nil {
				return err
			}
			out.Filters = append(out.Filters, e.Record)
		}
		return nil
	})
}
