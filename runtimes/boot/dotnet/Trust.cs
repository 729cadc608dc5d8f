// Whom TLS trusts on Mono: it has a store of its own, which knows neither the machine's
// authorities nor Tule's. .NET reads SSL_CERT_FILE by itself.
using System;
using System.Collections;
using System.IO;
using System.Reflection;
using System.Security.Cryptography.X509Certificates;

namespace Tule
{
    static class Trust
    {
        /// <summary>Tells Mono's TLS, which has just been loaded, to trust the authorities of SSL_CERT_FILE.</summary>
        public static void Arrived(Assembly security)
        {
            string path = Environment.GetEnvironmentVariable("SSL_CERT_FILE");
            Type settings = security.GetType("Mono.Security.Interface.MonoTlsSettings");
            PropertyInfo current = settings == null ? null : settings.GetProperty("DefaultSettings");
            PropertyInfo anchors = settings == null ? null : settings.GetProperty("TrustAnchors");
            if (string.IsNullOrEmpty(path) || !File.Exists(path) || current == null || anchors == null)
                return;
            var list = (IList)Activator.CreateInstance(anchors.PropertyType);
            Read(File.ReadAllText(path), list);
            object changed = current.GetValue(null, null);
            anchors.SetValue(changed, list, null);
            current.SetValue(null, changed, null);
        }

        /// <summary>A certificate that nobody looks into until TLS needs it: now is too early for that.</summary>
        sealed class Authority : X509Certificate
        {
            readonly byte[] der;

            public Authority(byte[] der) { this.der = der; }

            public override byte[] GetRawCertData() { return der; }
        }

        /// <summary>Adds the certificates of a bundle. What is none is left out.</summary>
        static void Read(string bundle, IList list)
        {
            const string begin = "-----BEGIN CERTIFICATE-----", end = "-----END CERTIFICATE-----";
            for (int at = 0; (at = bundle.IndexOf(begin, at, StringComparison.Ordinal)) >= 0;)
            {
                at += begin.Length;
                int to = bundle.IndexOf(end, at, StringComparison.Ordinal);
                if (to < 0)
                    return;
                try
                {
                    list.Add(new Authority(Convert.FromBase64String(bundle.Substring(at, to - at))));
                }
                catch (FormatException)
                {
                }
            }
        }
    }
}
