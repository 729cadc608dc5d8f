// The provider that `make terraform` uses, pinned. Its own module has no version that
// a module proxy serves; that of Crossplane's fork, which adds one package, has.
// The sums in go.sum are those of Crossplane's own go.sum.
module github.com/tule-cloud/tule/test/terraform/provider

go 1.26

require github.com/hashicorp/terraform-provider-aws v0.0.0-00010101000000-000000000000

replace github.com/hashicorp/terraform-provider-aws => github.com/upbound/terraform-provider-aws v0.0.0-20260305123303-f7691456b787
