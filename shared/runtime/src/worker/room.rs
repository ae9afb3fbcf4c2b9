//! The waiting room: deliveries that wait for a slot, by project. Each project comes in its turn, and leaves room
//! for others: at most a quarter of the slots are one project's, and of the places no more than as many as are free.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// How many may be handled at once, and how many may wait.
#[derive(Debug, Clone, Copy)]
pub(super) struct Size {
    pub slots: usize,
    /// Of the slots, those that one project may hold.
    pub each: usize,
    /// Of the slots, those that work without a project may hold.
    pub without_project: usize,
    pub places: usize,
}

impl Size {
    /// For deliveries of the intake and what was put off: a quarter for each project, and the last quarter is
    /// never held by work that belongs to nobody.
    pub(super) fn shared(slots: u16, places: usize) -> Self {
        let slots = usize::from(slots).max(1);
        let each = (slots / 4).max(1);
        Self { slots, each, without_project: slots.saturating_sub(each).max(1), places }
    }

    /// For watches: whose deadline may be near is not held up by a share.
    pub(super) fn open(slots: u16) -> Self {
        let slots = usize::from(slots).max(1);
        Self { slots, each: slots, without_project: slots, places: usize::MAX }
    }
}

/// Deliveries that wait, and the slots that are held.
#[derive(Debug)]
pub(super) struct Room<T> {
    size: Size,
    inside: Arc<Mutex<Inside<T>>>,
    freed: Arc<Notify>,
}

type Project = Option<String>;

#[derive(Debug)]
struct Inside<T> {
    waiting: BTreeMap<Project, VecDeque<T>>,
    /// Projects that wait, who was served last at the end.
    turns: VecDeque<Project>,
    held: BTreeMap<Project, usize>,
    places_taken: usize,
    slots_held: usize,
}

impl<T> Default for Inside<T> {
    fn default() -> Self {
        let (waiting, held) = (BTreeMap::new(), BTreeMap::new());
        Self { waiting, turns: VecDeque::new(), held, places_taken: 0, slots_held: 0 }
    }
}

impl<T> Room<T> {
    pub(super) fn new(size: Size) -> Self {
        Self { size, inside: Arc::default(), freed: Arc::default() }
    }

    /// Lets it in, unless its project has more than its share waiting already, and as many as there are places
    /// left. Who brings little is never turned away, however many they are.
    pub(super) fn enter(&self, project: Project, delivery: T) -> Result<(), T> {
        let mut inside = self.inside();
        let mine = inside.waiting.get(&project).map_or(0, VecDeque::len);
        if mine >= self.size.each.max(self.size.places.saturating_sub(inside.places_taken)) {
            return Err(delivery);
        }
        inside.places_taken += 1;
        if mine == 0 {
            inside.turns.push_back(project.clone());
        }
        inside.waiting.entry(project).or_default().push_back(delivery);
        Ok(())
    }

    /// The next that may begin: of the project that holds the fewest slots, and among such whose turn it is.
    pub(super) fn next(&self) -> Option<(T, Slot<T>)> {
        let mut inside = self.inside();
        if inside.slots_held >= self.size.slots {
            return None;
        }
        let held = |project: &Project| inside.held.get(project).copied().unwrap_or_default();
        let may = |project: &Project| held(project) < self.share_of(project);
        let turns = inside.turns.iter().enumerate().filter(|(_, project)| may(project));
        let turn = turns.min_by_key(|(_, project)| held(project)).map(|(turn, _)| turn)?;
        let project = inside.turns.remove(turn)?;
        let queue = inside.waiting.get_mut(&project)?;
        let delivery = queue.pop_front()?;
        if queue.is_empty() {
            inside.waiting.remove(&project);
        } else {
            inside.turns.push_back(project.clone());
        }
        inside.places_taken -= 1;
        inside.slots_held += 1;
        *inside.held.entry(project.clone()).or_default() += 1;
        Some((delivery, Slot { project, inside: self.inside.clone(), freed: self.freed.clone() }))
    }

    /// Waits until a slot is free again.
    pub(super) async fn freed(&self) {
        self.freed.notified().await;
    }

    /// Turns out who still waits.
    pub(super) fn clear(&self) -> Vec<T> {
        let mut inside = self.inside();
        inside.turns.clear();
        inside.places_taken = 0;
        std::mem::take(&mut inside.waiting).into_values().flatten().collect()
    }

    fn share_of(&self, project: &Project) -> usize {
        if project.is_some() { self.size.each } else { self.size.without_project }
    }

    fn inside(&self) -> MutexGuard<'_, Inside<T>> {
        lock(&self.inside)
    }
}

fn lock<T>(inside: &Mutex<Inside<T>>) -> MutexGuard<'_, Inside<T>> {
    inside.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The right to be handled; free again when dropped.
#[derive(Debug)]
pub(super) struct Slot<T> {
    project: Project,
    inside: Arc<Mutex<Inside<T>>>,
    freed: Arc<Notify>,
}

impl<T> Drop for Slot<T> {
    fn drop(&mut self) {
        let mut inside = lock(&self.inside);
        inside.slots_held -= 1;
        if let Some(held) = inside.held.get_mut(&self.project) {
            *held -= 1;
            if *held == 0 {
                inside.held.remove(&self.project);
            }
        }
        self.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn project(name: &str) -> Project {
        Some(format!("github:{name}"))
    }

    fn room(places: usize) -> Room<&'static str> {
        Room::new(Size::shared(16, places))
    }

    fn begin(room: &Room<&'static str>) -> Vec<(&'static str, Slot<&'static str>)> {
        std::iter::from_fn(|| room.next()).collect()
    }

    #[test]
    fn one_project_holds_at_most_a_quarter_and_gives_it_back() {
        let room = room(64);
        for _ in 0..6 {
            room.enter(project("noisy"), "noisy").unwrap();
        }
        let noisy = begin(&room);
        assert_eq!(noisy.len(), 4);
        room.enter(project("quiet"), "quiet").unwrap();
        room.enter(None, "nobody's").unwrap();
        let others: Vec<_> = begin(&room).into_iter().map(|(name, _)| name).collect();
        assert_eq!(others, ["quiet", "nobody's"], "others are not starved");
        assert!(room.next().is_none());
        drop(noisy);
        assert_eq!(begin(&room).len(), 2);
        let inside = room.inside();
        assert!(inside.held.is_empty() && inside.waiting.is_empty() && inside.turns.is_empty());
        assert_eq!((inside.slots_held, inside.places_taken), (0, 0));
    }

    #[test]
    fn when_all_slots_are_held_the_next_goes_to_who_holds_none() {
        let room = room(64);
        for name in ["a", "b", "c", "d"] {
            for _ in 0..8 {
                room.enter(project(name), name).unwrap();
            }
        }
        let mut held = begin(&room);
        assert_eq!(held.len(), 16);
        room.enter(project("late"), "late").unwrap();
        assert!(room.next().is_none());
        held.pop();
        assert_eq!(room.next().map(|(name, _)| name), Some("late"));
    }

    #[test]
    fn projects_take_turns() {
        let room = Room::new(Size::shared(4, 64));
        for (name, count) in [("a", 3), ("b", 2), ("c", 1)] {
            for _ in 0..count {
                room.enter(project(name), name).unwrap();
            }
        }
        let order: Vec<_> = std::iter::from_fn(|| room.next().map(|(name, _)| name)).collect();
        assert_eq!(order, ["a", "b", "c", "a", "b", "a"]);
    }

    #[test]
    fn however_many_flood_it_a_newcomer_finds_a_place() {
        let room = room(64);
        let fill = |name| (0..100).filter(|_| room.enter(project(name), name).is_ok()).count();
        let taken: Vec<_> = ["a", "b", "c", "d", "e"].into_iter().map(fill).collect();
        assert_eq!(taken, [32, 16, 8, 4, 4]);
        for newcomer in 0..100 {
            assert!(room.enter(project(&newcomer.to_string()), "newcomer").is_ok());
        }
    }

    #[test]
    fn who_is_turned_out_leaves_an_empty_room() {
        let room = room(64);
        room.enter(project("a"), "a").unwrap();
        room.enter(None, "b").unwrap();
        assert_eq!(room.clear().len(), 2);
        assert!(room.next().is_none());
        assert_eq!(room.inside().places_taken, 0);
    }

    #[tokio::test]
    async fn a_slot_that_is_free_again_is_told() {
        let room = room(64);
        room.enter(None, "a").unwrap();
        drop(room.next());
        room.freed().await;
    }

    #[test]
    fn watches_are_held_up_by_no_share_and_are_never_turned_away() {
        let room = Room::new(Size::open(32));
        for _ in 0..40 {
            room.enter(project("a"), "a").unwrap();
        }
        assert_eq!(begin(&room).len(), 32);
    }
}
