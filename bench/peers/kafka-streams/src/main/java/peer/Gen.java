package peer;

import java.io.BufferedWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.SplittableRandom;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * The load, deterministic by seed, and the answer. -Dwebinars -Dregistrants -Dpeople -Dseed -Dsegs (most per attendee)
 * -Ddistinct=true (people taken in turn instead of drawn) -Dexpected=FILE -Dtopic. With -Dfile=FILE the load goes into that file instead of the
 * topic: length (4 bytes, big endian) and bytes of the key, then of the value, record after record.
 */
public final class Gen {
    static final SplittableRandom RND = new SplittableRandom(Long.getLong("seed", 1));
    static final int W = Integer.getInteger("webinars", 100), REGS = Integer.getInteger("registrants", 500), E = Integer.getInteger("people", 10000),
        SEGS = Integer.getInteger("segs", 4);
    static final boolean DISTINCT = Boolean.getBoolean("distinct");
    static final String[] FIRST = {"Ada", "Björn", "Chen", "Dana", "Elif", "Farah", "Goran", "Hana", "Ivo", "Jill", "Kofi", "Lena", "Mira", "Nils", "Olga", "Pere"};
    static final String[] LAST = {"Adler", "Brown", "Chill", "Diaz", "Eriksen", "Fischer", "García", "Haddad", "Ito", "Jensen", "Kowalski", "Larsen", "Müller", "Novak"};
    static KafkaProducer<byte[], byte[]> out;
    static String topic = System.getProperty("topic", "zoom.webhooks");
    static long sent, bytes;
    static BufferedWriter exp;

    // the answer, per person
    static final int[] reg = new int[E], att = new int[E], nos = new int[E];
    static final long[] tot = new long[E], first = new long[E], last = new long[E];
    static final String[] lastTopic = new String[E], lastOcc = new String[E];

    record Ev(long t, int kind, int who, int seg) {}
    record Out(byte[] key, byte[] value) {}
    static final class Who { int person = -1; boolean registered, rid, mail; String regId; String name; long regTs; long[] join = {}, leave = {}; int[] seat; }

    static String email(int i) { return "person" + i + "@mail" + (i % 97) + ".example"; }

    static final char[] B64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".toCharArray();
    static String b64(int n) { char[] c = new char[n]; for (int i = 0; i < n; i++) c[i] = B64[RND.nextInt(i == 0 ? 62 : 64)]; return new String(c); }
    static String alnum(int n) { char[] c = new char[n]; for (int i = 0; i < n; i++) c[i] = B64[RND.nextInt(62)]; return new String(c); }
    static final char[] HEX = "0123456789abcdef".toCharArray();
    static void hex(StringBuilder s, int n) { long v = RND.nextLong(); for (int i = 0; i < n; i++) { s.append(HEX[(int) (v & 15)]); v >>>= 4; } }

    static final class Webinar {
        final String uuid = b64(22) + "==", host = alnum(22), topic;
        final long id = 80_000_000_000L + RND.nextLong(9_999_999_999L), start, end, sched;
        final List<Ev> evs = new ArrayList<>();
        final List<Who> people = new ArrayList<>();
        final HashSet<Integer> seats = new HashSet<>();
        int next;

        Webinar(int w) {
            topic = "Webinar " + w + ": how to " + (w % 7 == 0 ? "grow « faster »" : "cook with gas") + ", part " + (1 + w % 5);
            sched = 1_790_000_000_000L + (w / 20) * 7_200_000L + (w % 20) * 60_000L;
            start = sched + RND.nextInt(300) * 1000L;
            end = start + (2400 + RND.nextInt(2400)) * 1000L;
            HashSet<Integer> in = new HashSet<>();
            for (int i = 0; i < REGS; i++) {
                Who p = new Who();
                p.person = pick(in, w, i);
                p.registered = true;
                p.regId = alnum(22);
                p.regTs = sched - 86_400_000L + RND.nextLong(86_000_000L);
                evs.add(new Ev(p.regTs, Event.REGISTERED, people.size(), 0));
                if (RND.nextInt(100) < 60) {
                    int k = RND.nextInt(100);
                    p.rid = k >= 5;            // 5 %: known by email only
                    p.mail = k < 90;           // 10 %: by registrant id only
                    stay(p);
                }
                people.add(p);
            }
            for (int i = 0; i < REGS * 3 / 100; i++) {   // not registered: email, or nothing
                Who p = new Who();
                if (i % 2 == 0) { p.person = DISTINCT ? -1 : pick(in, w, i); p.mail = p.person >= 0; }
                stay(p);
                people.add(p);
            }
            evs.add(new Ev(start, Event.STARTED, -1, 0));
            evs.add(new Ev(end + 61_000, Event.ENDED, -1, 0));
            evs.sort((a, b) -> Long.compare(a.t, b.t));
        }

        int pick(HashSet<Integer> in, int w, int i) {
            if (DISTINCT) return (int) (((long) w * REGS + i) % E);
            int p;
            do p = RND.nextInt(E); while (!in.add(p));
            return p;
        }

        void stay(Who p) {
            int n = 1 + RND.nextInt(SEGS);
            p.join = new long[n]; p.leave = new long[n]; p.seat = new int[n];
            long span = (end - start) / 1000;
            for (int i = 0; i < n; i++) {
                long a = RND.nextInt(100) < 5 ? -RND.nextInt(60) : RND.nextLong(span - 60), b = a + 30 + RND.nextLong(span / 2);   // may overlap
                p.join[i] = start + a * 1000;
                p.leave[i] = Math.min(start + b * 1000, end + RND.nextInt(60) * 1000L);
                p.seat[i] = 16_777_216 + RND.nextInt(50_000_000);
                while (!seats.add(p.seat[i])) p.seat[i]++;   // a seat is one stay's, within the session
                evs.add(new Ev(p.join[i], Event.JOINED, people.size(), i));
                evs.add(new Ev(p.leave[i], Event.LEFT, people.size(), i));
            }
        }

        Out make(Ev e) {
            StringBuilder s = new StringBuilder(1200);
            long ts = e.t + 600;
            String[] names = {"webinar.started", "webinar.ended", "webinar.registration_created", "webinar.participant_joined", "webinar.participant_left"};
            s.append("{\"event\":\"").append(names[e.kind]).append("\",\"payload\":{\"account_id\":\"QjR7wAccTaWx0mZbq9Yp1A\",\"object\":{");
            if (e.kind == Event.REGISTERED) s.append("\"uuid\":\"").append(uuid).append("\",\"id\":").append(id);
            else s.append("\"id\":\"").append(id).append("\",\"uuid\":\"").append(uuid).append('"');
            s.append(",\"host_id\":\"").append(host).append("\",\"topic\":\"").append(topic).append("\",\"type\":5,\"start_time\":\"")
                .append(iso(e.kind <= Event.ENDED ? start : sched)).append("\",\"timezone\":\"Europe/Berlin\",\"duration\":60");
            if (e.kind == Event.ENDED) s.append(",\"end_time\":\"").append(iso(end)).append("\",\"practice_session\":false");
            if (e.kind == Event.REGISTERED) {
                Who p = people.get(e.who);
                String f = FIRST[p.person % FIRST.length], l = LAST[p.person % LAST.length];
                s.append(",\"registrant\":{\"id\":\"").append(p.regId).append("\",\"first_name\":\"").append(f).append("\",\"last_name\":\"").append(l).append("\",\"email\":\"");
                String m = email(p.person);
                s.append(p.person % 50 == 0 ? m.toUpperCase(java.util.Locale.ROOT) : m);
                s.append("\",\"address\":\"1800 Amphibious Blvd.\",\"city\":\"Mountain View\",\"country\":\"US\",\"zip\":\"94045\",\"state\":\"CA\",\"phone\":\"5550100\",\"industry\":\"Food\",\"org\":\"Cooking Org\",\"job_title\":\"Chef\",\"purchasing_time_frame\":\"1-3 months\",\"role_in_purchase_process\":\"Influencer\",\"no_of_employees\":\"1-20\",\"comments\":\"Looking forward to the webinar\",\"custom_questions\":[{\"title\":\"What do you hope to learn from this webinar?\",\"value\":\"Look forward to learning how you come up with new recipes and what other services you offer.\"}],\"status\":\"approved\",\"join_url\":\"https://example.com/w/")
                    .append(id).append("?tk=").append(p.regId).append("\",\"tracking_source\":{\"id\":\"5516482804110\",\"source_name\":\"general\",\"tracking_url\":\"https://example.com/webinar/register/5516482804110/WN_juM2BGyLQMyQ\"}}");
            } else if (e.kind >= Event.JOINED) {
                Who p = people.get(e.who);
                String name = p.person < 0 ? "Guest " + p.seat[0] : FIRST[p.person % FIRST.length] + " " + LAST[p.person % LAST.length];
                s.append(",\"participant\":{\"user_id\":\"").append(p.seat[e.seg]).append("\",\"user_name\":\"").append(name).append("\",\"id\":\"\",\"")
                    .append(e.kind == Event.JOINED ? "join" : "leave").append("_time\":\"").append(iso(e.t)).append('"');
                if (e.kind == Event.LEFT) s.append(",\"leave_reason\":\"").append(name).append(" left the webinar.<br>Reason: left the webinar.\"");
                s.append(",\"email\":\"").append(p.mail ? email(p.person) : "").append('"');
                if (p.rid) s.append(",\"registrant_id\":\"").append(p.regId).append('"');
                else if (e.seg % 2 == 0) s.append(",\"registrant_id\":\"\"");
                s.append(",\"participant_user_id\":\"\",\"participant_uuid\":\"");
                long u = p.seat[e.seg] * 0x9E3779B97F4A7C15L;
                s.append(String.format("%08X", (int) (u >>> 32))).append("-17C0-6B63-F4FA-2180").append(String.format("%08X", (int) u)).append("\",\"public_ip\":\"203.0.113.7\",\"private_ip\":\"10.0.0.9\",\"customer_key\":\"\",\"phone_number\":\"\"}");
            }
            s.append("}},\"event_ts\":").append(ts).append('}');
            byte[] body = s.toString().getBytes(StandardCharsets.UTF_8);
            StringBuilder rid = new StringBuilder(36);
            hex(rid, 8); for (int i = 0; i < 3; i++) { rid.append('_'); hex(rid, 4); } rid.append('_'); hex(rid, 12);
            byte[] v = new peer.W().frame(1).str(rid.toString()).lng(ts + 400).bin(body).bytes();
            return new Out(Long.toString(id).getBytes(StandardCharsets.UTF_8), v);
        }

        void answer() throws Exception {
            for (Who p : people) {
                if (p.person < 0) continue;
                int n = p.join.length, i = p.person;
                // straightforwardly: a second is attended if any segment covers it
                long secs = 0;
                if (n > 0) {
                    int span = (int) ((end - start) / 1000);
                    boolean[] there = new boolean[span];
                    for (int k = 0; k < n; k++)
                        Arrays.fill(there, (int) Math.max(0, Math.min(span, (p.join[k] - start) / 1000)), (int) Math.max(0, Math.min(span, (p.leave[k] - start) / 1000)), true);
                    for (boolean b : there) if (b) secs++;
                }
                String status = n > 0 ? "attended" : "no_show";
                long fs = Long.MAX_VALUE, lj = Long.MIN_VALUE;
                if (p.registered) fs = p.regTs + 600;
                for (long j : p.join) { fs = Math.min(fs, j); lj = Math.max(lj, Math.max(j, start)); }
                Integer[] o = new Integer[n];
                for (int k = 0; k < n; k++) o[k] = k;
                Arrays.sort(o, (a, b) -> p.join[a] != p.join[b] ? Long.compare(p.join[a], p.join[b]) : Long.compare(p.leave[a], p.leave[b]));
                String segs = Arrays.stream(o).map(k -> "[" + p.join[k] + "," + p.leave[k] + "]").collect(Collectors.joining(","));
                if (exp != null) exp.write(row(email(i), uuid, Long.toString(id), topic, status, p.registered, segs, secs, secs * 1000.0 / (end - start), "final", fs, n > 0 ? Long.toString(lj) : "null"));
                if (reg[i] + att[i] + nos[i] == 0) { first[i] = Long.MAX_VALUE; last[i] = Long.MIN_VALUE; }
                if (p.registered) reg[i]++;
                if (n > 0) att[i]++; else nos[i]++;
                tot[i] += secs;
                first[i] = Math.min(first[i], fs);
                if (n > 0 && (lj > last[i] || lj == last[i] && uuid.compareTo(lastOcc[i]) > 0)) { last[i] = lj; lastTopic[i] = topic; lastOcc[i] = uuid; }
            }
        }
    }

    static String row(String email, String occ, String meeting, String topic, String status, boolean registered, String segs, long secs, double share, String state, long fs, String lj) {
        return "{\"of\":\"attendance\",\"email\":\"" + email + "\",\"occurrence\":\"" + occ + "\",\"meeting_id\":\"" + meeting + "\",\"topic\":\"" + topic + "\",\"status\":\"" + status
            + "\",\"registered\":" + registered + ",\"segments\":[" + segs + "],\"seconds\":" + secs + ",\"share\":" + share + ",\"state\":\"" + state + "\",\"first_seen\":" + fs + ",\"last_join\":" + lj + "}\n";
    }

    static String contact(String email, long reg, long att, long nos, long tot, long first, String last, String topic, String occ) {
        return "{\"of\":\"contact\",\"email\":\"" + email + "\",\"webinars_registered\":" + reg + ",\"webinars_attended\":" + att + ",\"no_shows\":" + nos + ",\"total_seconds\":" + tot
            + ",\"first_seen\":" + first + ",\"last_attended_at\":" + last + ",\"last_topic\":" + (topic == null ? "null" : "\"" + topic + "\"") + ",\"last_occurrence\":" + (occ == null ? "null" : "\"" + occ + "\"") + "}\n";
    }

    static String iso(long ms) { return Instant.ofEpochMilli(ms).toString(); }

    static java.io.DataOutputStream file;

    static void send(Out o) throws java.io.IOException {
        sent++;
        bytes += o.value.length;
        if (file == null) { out.send(new ProducerRecord<>(topic, o.key, o.value)); return; }
        file.writeInt(o.key.length);
        file.write(o.key);
        file.writeInt(o.value.length);
        file.write(o.value);
    }

    public static void main(String[] a) throws Exception {
        long t0 = System.currentTimeMillis();
        String to = System.getProperty("file");
        if (to == null) connect();
        else file = new java.io.DataOutputStream(new java.io.BufferedOutputStream(Files.newOutputStream(Path.of(to)), 1 << 20));
        generate(t0);
    }

    static void connect() throws Exception {
        Properties p = new Properties();
        p.put("bootstrap.servers", System.getProperty("brokers", "127.0.0.1:19092"));
        try (Admin adm = Admin.create(p)) {
            if (!adm.listTopics().names().get().contains(topic)) adm.createTopics(List.of(new NewTopic(topic, 4, (short) 1))).all().get();
        }
        p.put("compression.type", "lz4"); p.put("linger.ms", "20"); p.put("batch.size", "262144"); p.put("acks", "1"); p.put("buffer.memory", "134217728");
        out = new KafkaProducer<>(p, new ByteArraySerializer(), new ByteArraySerializer());
    }

    @SuppressWarnings("unchecked")
    static void generate(long t0) throws Exception {
        String f = System.getProperty("expected");
        if (f != null) exp = Files.newBufferedWriter(Path.of(f));
        List<Out>[] ring = new List[4096];
        for (int i = 0; i < ring.length; i++) ring[i] = new ArrayList<>();
        Webinar[] slot = new Webinar[Math.min(20, W)];
        int made = 0, live = 0, dups = 0, late = 0;
        for (int i = 0; i < slot.length; i++) { slot[i] = new Webinar(made++); live++; }
        long pending = 0;
        for (long pos = 0; live > 0 || pending > 0; pos++) {
            List<Out> due = ring[(int) (pos & 4095)];
            for (Out o : due) { send(o); pending--; }
            due.clear();
            if (live == 0) continue;
            int s;
            do s = RND.nextInt(slot.length); while (slot[s] == null);
            Webinar w = slot[s];
            Out o = w.make(w.evs.get(w.next++));
            if (w.next == w.evs.size()) {
                w.answer();
                if (made < W) slot[s] = new Webinar(made++); else { slot[s] = null; live--; }
            }
            int d = 0;
            if (RND.nextInt(100) < 2) { d = 1 + RND.nextInt(50); late++; ring[(int) ((pos + d) & 4095)].add(o); pending++; } else send(o);
            if (RND.nextInt(100) < 5) { dups++; ring[(int) ((pos + d + 1 + RND.nextInt(2000)) & 4095)].add(o); pending++; }
        }
        if (file != null) file.close(); else out.close();
        int contacts = 0;
        for (int i = 0; i < E; i++) {
            if (reg[i] + att[i] + nos[i] == 0) continue;
            contacts++;
            if (exp != null) exp.write(contact(email(i), reg[i], att[i], nos[i], tot[i], first[i], att[i] > 0 ? Long.toString(last[i]) : "null", lastTopic[i], lastOcc[i]));
        }
        if (exp != null) exp.close();
        System.out.println("records " + sent + " unique " + (sent - dups) + " duplicates " + dups + " out_of_order " + late + " contacts " + contacts
            + " mean_bytes " + bytes / Math.max(1, sent) + " seconds " + (System.currentTimeMillis() - t0) / 1000.0);
    }
}
